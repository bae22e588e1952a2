/**
 * The audio thread's part of the microphone: mono, 16 kHz, int16, in chunks, whatever the device's own rate is.
 *
 * Posts `{samples, rms, peak}` per chunk (the samples are transferred) and, after the message `stop`, the rest and `null`.
 */

import { Chunker } from './chunker.js';
import { Resampler } from './resampler.js';

const TARGET_RATE = 16000;

class Capture extends AudioWorkletProcessor {
  #running = true;
  #mix = new Float32Array(128);

  constructor() {
    super();
    this.chunker = new Chunker((chunk) => this.port.postMessage(chunk, [chunk.samples.buffer]));
    this.resampler = new Resampler(sampleRate, TARGET_RATE, (sample) => this.chunker.add(sample));
    this.port.onmessage = () => this.#stop();
  }

  process([channels]) {
    if (this.#running && channels.length > 0) this.resampler.push(this.#toMono(channels));
    return this.#running;
  }

  #toMono(channels) {
    if (channels.length === 1) return channels[0];
    const length = channels[0].length;
    if (this.#mix.length !== length) this.#mix = new Float32Array(length);
    for (let i = 0; i < length; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.#mix[i] = sum / channels.length;
    }
    return this.#mix;
  }

  #stop() {
    if (!this.#running) return;
    this.#running = false;
    this.resampler.flush();
    this.chunker.flush();
    this.port.postMessage(null);
  }
}

registerProcessor('capture', Capture);
