/**
 * One recording's or file's way to the server, over as many sessions as it takes: a lost one is followed by the next,
 * which begins with the oldest audio that has not been answered.
 *
 * Tells everything to one function: the server's messages, and `session.lost`, `session.over` and `page.phase` (see transcript.js).
 */

import { Session } from './session.js';

/** @param {number} attempt from 0 @param {() => number} [random] @returns {number} ms to wait: doubling up to 15 s, with jitter */
export function backoff(attempt, random = Math.random) {
  return Math.min(15_000, 500 * 2 ** attempt) * (0.5 + random() / 2);
}

export class Connection {
  #session = null;
  #finishing = false;
  #over = false;
  #attempt = 0;
  #retryTimer = null;
  #retryAt = 0;

  /**
   * @param {object} options as of Session, without `onEnd`
   * @param {(message: object) => void} options.tell
   */
  constructor(options) {
    this.options = options;
    this.tell = options.tell;
  }

  open() {
    this.#phase('connecting');
    this.#connect();
  }

  /** The source has something new. */
  push() {
    if (this.#retryTimer !== null && performance.now() >= this.#retryAt) this.#connect(); // timers of a hidden page may be a minute late
    this.#session?.push();
  }

  /** @param {object} changes fields of `configure` */
  configure(changes) {
    this.#session?.configure(changes);
  }

  /** Sends what the source still has, waits for the last answers, and ends. */
  finish() {
    this.#finishing = true;
    this.options.source.end();
    if (this.#session?.isRunning) this.#phase('finishing');
    this.push();
  }

  /** Ends now; what is unanswered stays unanswered. */
  abandon() {
    this.#end();
  }

  /** Begins a new session with the oldest audio that is kept. */
  reopen() {
    if (!this.#session?.isRunning) return;
    this.#session.close();
    this.#retry();
  }

  /** Skips the rest of the back-off. */
  retryNow() {
    if (this.#retryTimer !== null) this.#connect();
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#session = new Session({
      ...this.options,
      tell: (message) => this.#receive(message),
      onEnd: (outcome) => (outcome === 'lost' ? this.#retry() : this.#end()),
    });
  }

  #receive(message) {
    this.tell(message);
    if (message.type === 'session.configured') this.#phase(this.#finishing ? 'finishing' : 'listening');
    // Results flow, so the next loss is a new one. A session that dies before them keeps its place in the back-off.
    if (message.type === 'heartbeat' || message.type === 'partial' || message.type === 'final') this.#attempt = 0;
  }

  #retry() {
    this.#session = null;
    this.tell({ type: 'session.lost' });
    this.#phase('reconnecting');
    const wait = backoff(this.#attempt);
    this.#retryAt = performance.now() + wait;
    this.#retryTimer = setTimeout(() => this.#connect(), wait);
    this.#attempt += 1;
  }

  #end() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#session?.close();
    this.#session = null;
    this.tell({ type: 'session.over' });
    this.#phase('stopped');
  }

  #phase(name) {
    this.tell({ type: 'page.phase', name });
  }
}
