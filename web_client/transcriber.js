/** Starts and stops: joins a microphone or a file to a connection, one at a time. Everything it learns it dispatches. */

import { Connection } from './connection.js';
import { detailOf } from './detail.js';
import { explainFailure, explainMissing } from './explain.js';
import { FileSource } from './file-source.js';
import { openMicrophone } from './microphone.js';
import { MicrophoneSource } from './microphone-source.js';
import { endOf } from './transcript.js';

const DETAIL_MS = 500;

export class Transcriber {
  #connection = null;
  #microphone = null;
  #source = null;
  #capturedMs = 0;
  #detailTimer = null;
  /** Each press makes the ones before it void, also while they wait for a permission. */
  #turn = 0;

  /**
   * @param {object} options
   * @param {string} options.url of the socket
   * @param {(message: object) => void} options.dispatch
   * @param {() => import('./transcript.js').State} options.getState
   * @param {() => object} options.settings fields of `start`
   * @param {() => string[]} options.protocols subprotocols to offer
   * @param {() => string} options.deviceId
   * @param {(chunk: {rms: number, peak: number}) => void} options.onLevel
   */
  constructor(options) {
    Object.assign(this, options);
  }

  /** Listens to the microphone until `stop`. */
  async listen() {
    const missing = explainMissing(window);
    if (missing !== null) return this.#say('error', missing);
    this.dispatch({ type: 'page.begun' });
    this.#phase('opening');
    const turn = ++this.#turn;
    const source = new MicrophoneSource(endOf(this.getState()));
    this.#capturedMs = 0;
    const opened = await this.#openMicrophone(source, turn);
    if (turn !== this.#turn) return opened?.stop();
    if (opened === null) return this.#phase('stopped');
    this.#microphone = opened;
    return this.#connect(source);
  }

  /** @param {File} file any audio or video */
  transcribe(file) {
    this.dispatch({ type: 'page.begun', file: file.name });
    this.#turn += 1;
    this.#connect(new FileSource(file, endOf(this.getState())));
  }

  /** Ends what is running once all has been answered; a second call does not wait for the answers. */
  async stop() {
    this.#turn += 1;
    if (this.#connection === null) return this.#phase('stopped');
    if (this.getState().page.phase === 'finishing' || this.#source.isEnded) return this.#connection.abandon();
    const connection = this.#connection;
    await this.#closeMicrophone();
    return connection.finish();
  }

  /** The chosen device has changed, or the one in use is gone: goes on with another, in the same recording. */
  async changeMicrophone() {
    const source = this.#source;
    if (!(source instanceof MicrophoneSource) || source.isEnded) return;
    const turn = ++this.#turn;
    await this.#closeMicrophone();
    const opened = await this.#openMicrophone(source, turn);
    if (turn !== this.#turn) {
      await opened?.stop();
    } else if (opened === null) {
      this.#connection?.finish();
    } else {
      this.#microphone = opened;
    }
  }

  /** @param {object} changes fields of `configure` */
  configure(changes) {
    this.#connection?.configure(changes);
  }

  /** The page is seen again, or the network is back. */
  wake() {
    this.#microphone?.wake();
    this.#connection?.retryNow();
  }

  async #openMicrophone(source, turn) {
    try {
      return await openMicrophone({
        deviceId: this.deviceId(),
        onChunk: (chunk) => this.#take(source, chunk),
        onEnded: () => this.#unplugged(),
        onSilent: () => turn === this.#turn && this.#say('warning', 'The microphone gives no sound at all. Is it muted, or is another one meant?'),
      });
    } catch (error) {
      if (turn === this.#turn) this.#say('error', explainFailure(error));
      return null;
    }
  }

  async #closeMicrophone() {
    const microphone = this.#microphone;
    this.#microphone = null;
    await microphone?.stop();
    this.onLevel({ rms: 0, peak: 0 });
  }

  #unplugged() {
    if (this.#microphone === null) return;
    this.#say('warning', `The microphone “${this.#microphone.label}” was disconnected. Listening goes on with the default one.`);
    this.changeMicrophone();
  }

  #take(source, chunk) {
    this.#capturedMs += chunk.samples.length / 16;
    const lost = source.push(chunk.samples);
    this.onLevel(chunk);
    if (lost !== null) {
      this.dispatch({ type: 'audio.lost', ...lost });
      this.#connection?.reopen(); // times within a session must not jump
    }
    this.#connection?.push();
  }

  #connect(source) {
    const tell = (message) => {
      this.dispatch(message);
      if (message.type === 'session.over') this.#over(source);
    };
    this.#source = source;
    this.#connection = new Connection({ url: this.url, source, settings: this.settings, protocols: this.protocols, tell });
    this.#detailTimer = setInterval(() => {
      this.dispatch({ type: 'page.detail', detail: detailOf(source, this.getState().page.phase, this.#capturedMs) });
    }, DETAIL_MS);
    this.#connection.open();
  }

  #over(source) {
    if (source !== this.#source) return;
    clearInterval(this.#detailTimer);
    this.dispatch({ type: 'page.detail', detail: '' });
    this.#connection = null;
    this.#source = null;
    this.#turn += 1;
    this.#closeMicrophone();
  }

  #phase(name) {
    this.dispatch({ type: 'page.phase', name });
  }

  #say(level, text) {
    this.dispatch({ type: 'page.said', level, text });
  }
}
