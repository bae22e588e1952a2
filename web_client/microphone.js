/** The microphone: opens a device at its own rate and hands out 16 kHz chunks made on the audio thread. */

/** How long silence from the very first sample on is taken for patience, in chunks of 30 ms. */
const SILENT_CHUNKS = 167;
/** One step of int16: muted devices give zeros, the quietest room does not. */
const SILENT_PEAK = 1 / 32768;
/** Without an answer from the audio thread in this time its context is asleep, and has nothing left to give. */
const STOP_MS = 500;

export class Microphone {
  #stopped = null;
  #silentChunks = 0;

  /**
   * @param {object} options
   * @param {AudioContext} options.context
   * @param {MediaStream} options.stream
   * @param {(chunk: import('./chunker.js').Chunk) => void} options.onChunk
   * @param {() => void} options.onEnded the device is gone
   * @param {() => void} options.onSilent not a sound since it was opened
   */
  constructor({ context, stream, onChunk, onEnded, onSilent }) {
    Object.assign(this, { context, stream, onChunk, onSilent });
    const [track] = stream.getAudioTracks();
    this.label = track.label;
    this.deviceId = track.getSettings().deviceId ?? '';
    track.onended = () => this.#stopped === null && onEnded();
    this.node = new AudioWorkletNode(context, 'capture', { numberOfInputs: 1, numberOfOutputs: 1 });
    this.node.port.onmessage = (event) => this.#receive(event.data);
    context.onstatechange = () => this.wake();
    this.source = context.createMediaStreamSource(stream);
    // The node's output is silence; connected, because browsers let a node without a listener sleep.
    this.source.connect(this.node).connect(context.destination);
  }

  /** After an interruption (a telephone call, a sleeping page). Harmless otherwise. */
  wake() {
    if (this.context.state === 'running' || this.context.state === 'closed' || document.visibilityState === 'hidden') return;
    this.context.resume().catch((error) => console.debug('The system keeps the microphone:', error.message));
  }

  /** Resolves when the last chunk has been handed out and the device is free. */
  async stop() {
    if (this.#stopped !== null) return;
    const lastChunk = new Promise((resolve) => { this.#stopped = resolve; });
    this.node.port.postMessage('stop');
    await Promise.race([lastChunk, new Promise((resolve) => setTimeout(resolve, STOP_MS))]);
    this.node.port.onmessage = null;
    for (const track of this.stream.getTracks()) track.stop();
    await this.context.close();
  }

  #receive(chunk) {
    if (chunk === null) {
      this.#stopped?.();
      return;
    }
    this.onChunk(chunk);
    if (chunk.peak > SILENT_PEAK) this.#silentChunks = -Infinity;
    this.#silentChunks += 1;
    if (this.#silentChunks === SILENT_CHUNKS) this.onSilent();
  }
}

/**
 * Must be called from a press: phones let an AudioContext run only then.
 *
 * @param {object} options those of Microphone without context and stream, and `deviceId` ('' for the default)
 * @returns {Promise<Microphone>} rejects with the browser's DOMException (explain.js has the sentences)
 */
export async function openMicrophone({ deviceId, ...handlers }) {
  const context = new AudioContext({ latencyHint: 'interactive' });
  context.resume();
  let stream = null;
  try {
    stream = await openStream(deviceId);
    await context.audioWorklet.addModule(new URL('capture-worklet.js', import.meta.url));
    return new Microphone({ context, stream, ...handlers });
  } catch (error) {
    for (const track of stream?.getTracks() ?? []) track.stop();
    await context.close();
    throw error;
  }
}

async function openStream(deviceId) {
  // Echo cancelling and noise suppression take away what other people and the room say; a steady level helps every model.
  const wishes = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  if (deviceId === '') return navigator.mediaDevices.getUserMedia({ audio: wishes });
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...wishes, deviceId: { exact: deviceId } } });
  } catch (error) {
    if (error.name !== 'OverconstrainedError' && error.name !== 'NotFoundError') throw error;
    return navigator.mediaDevices.getUserMedia({ audio: wishes }); // the remembered device is not connected today
  }
}
