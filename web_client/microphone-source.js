/**
 * The microphone's side of a connection: hands out audio, and remembers what the server has not answered yet,
 * so that a new connection can begin there and nothing is lost.
 */

import { Backlog, SAMPLE_RATE } from './backlog.js';

const SAMPLES_PER_MS = SAMPLE_RATE / 1000;

/** Silence before the answered point that is sent again all the same: the next word's onset may lie in it. */
const PRE_ROLL_MS = 500;

export class MicrophoneSource {
  /** No more audio will come. */
  isEnded = false;
  /** Position of the running session's first sample. */
  #origin = 0;
  #answeredMs = 0;
  /** Segments of the running session that have no final yet, and where they begin. */
  #pending = new Map();

  /**
   * @param {number} baseMs where in the transcript this recording begins
   * @param {Backlog} [backlog]
   */
  constructor(baseMs, backlog = new Backlog()) {
    this.baseMs = baseMs;
    this.backlog = backlog;
    this.format = { format: 'pcm_s16le', sample_rate: SAMPLE_RATE, channels: 1 };
  }

  /** All that will ever come has been handed out. */
  get finished() {
    return this.isEnded && this.backlog.waiting === 0;
  }

  /** Audio that waits to be sent, in ms. */
  get waitingMs() {
    return this.backlog.waiting / SAMPLES_PER_MS;
  }

  /**
   * @param {Int16Array} samples
   * @returns {{begin_ms: number, end_ms: number} | null} audio that had to be given up, in transcript time
   */
  push(samples) {
    const lost = this.backlog.push(samples);
    if (lost === 0) return null;
    const end_ms = this.#transcriptMs(this.backlog.first);
    return { begin_ms: end_ms - lost / SAMPLES_PER_MS, end_ms };
  }

  /** No more audio will come. */
  end() {
    this.isEnded = true;
  }

  /** A new session begins with the oldest audio that is kept. @returns {number} its place in the transcript, in ms */
  rewind() {
    this.backlog.rewind();
    this.#origin = this.backlog.first;
    this.#answeredMs = 0;
    this.#pending.clear();
    return this.#transcriptMs(this.#origin);
  }

  /** The running session goes on. @param {number} bytes that the server has of it @returns {boolean} false where what follows is gone */
  seek(bytes) {
    return this.backlog.seek(this.#origin + bytes / Int16Array.BYTES_PER_ELEMENT);
  }

  /** @returns {Int16Array | null} */
  next() {
    return this.backlog.next();
  }

  /** @param {object} message from the server; tells what has been answered */
  heard(message) {
    switch (message.type) {
      case 'speech.started':
        this.#pending.set(message.segment, message.begin_ms);
        break;
      case 'final':
        this.#pending.delete(message.segment);
        this.#answered(message.end_ms);
        break;
      case 'error':
        this.#pending.delete(message.segment);
        break;
      case 'heartbeat':
        this.#answered(message.processed_ms - PRE_ROLL_MS);
        break;
      default:
    }
  }

  #answered(ms) {
    this.#answeredMs = Math.max(this.#answeredMs, Math.min(ms, ...this.#pending.values()));
    this.backlog.release(this.#origin + this.#answeredMs * SAMPLES_PER_MS);
  }

  #transcriptMs(position) {
    return this.baseMs + Math.round(position / SAMPLES_PER_MS);
  }
}
