/**
 * One recording's or file's way to the server, over as many sockets as it takes: after a loss the session is gone on with where the server
 * still has it, and otherwise followed by a new one, which begins with the oldest audio that has not been answered.
 *
 * Tells everything to one function: the server's messages, and `session.lost`, `session.over` and `page.phase` (see transcript.js).
 */

import { encodeConfigure } from './protocol.js';
import { Session } from './session.js';

/** @param {number} attempt from 0 @param {() => number} [random] @returns {number} ms to wait: doubling up to 15 s, with jitter */
export function backoff(attempt, random = Math.random) {
  return Math.min(15_000, 500 * 2 ** attempt) * (0.5 + random() / 2);
}

/** Whether the server answers at all, where a socket was refused: a browser does not tell why that was. */
async function answers(url) {
  try {
    return (await fetch(new URL('healthz', url.replace(/^ws/, 'http')))).ok;
  } catch {
    return false;
  }
}

export class Connection {
  #session = null;
  /** Of the session that was lost, while it can be gone on with. */
  #ticket = null;
  #lostAt = 0;
  /** Lost, and not closed yet. */
  #lost = null;
  #finishing = false;
  #over = false;
  #attempt = 0;
  #retryTimer = null;
  #retryAt = 0;

  /**
   * @param {object} options as of Session, without `onEnd` and `ticket`
   * @param {(message: object) => void} options.tell
   * @param {(url: string) => Promise<boolean>} [options.isUp] whether the server answers at all
   */
  constructor(options) {
    this.options = { isUp: answers, ...options };
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
    if (this.#session !== null) this.#session.configure(changes);
    else this.#ticket?.note(encodeConfigure(changes));
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
    this.#ticket = null;
    if (!this.#session?.isRunning) return;
    this.#session.ticket = null;
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
    if (this.#ticket !== null && performance.now() - this.#lostAt > this.#ticket.windowMs) this.#ticket = null;
    this.#session = new Session({
      ...this.options,
      ticket: this.#ticket,
      tell: (message) => this.#receive(message),
      onEnd: (outcome) => (outcome === 'lost' ? this.#retry() : this.#end()),
    });
  }

  #receive(message) {
    this.tell(message);
    this.#closeLost();
    if (message.type === 'session.configured' || message.type === 'session.resumed') this.#phase(this.#finishing ? 'finishing' : 'listening');
    // Results flow, so the next loss is a new one. A session that dies before them keeps its place in the back-off.
    if (message.type === 'heartbeat' || message.type === 'partial' || message.type === 'final') this.#attempt = 0;
  }

  #retry() {
    const { ticket, isGreeted } = this.#session;
    if (isGreeted) {
      this.#lostAt = performance.now();
      this.#closeLost();
      this.#lost = this.#session;
    }
    this.#ticket = ticket;
    this.#session = null;
    this.tell({ type: 'session.lost' });
    this.#phase('reconnecting');
    const wait = backoff(this.#attempt);
    this.#retryAt = performance.now() + wait;
    this.#retryTimer = setTimeout(() => this.#connect(), wait);
    this.#attempt += 1;
    if (ticket !== null && !isGreeted) this.#giveUpWhereRefused(ticket);
  }

  /** The server is there and did not let us back in: the session is over, and a new one need not wait. */
  async #giveUpWhereRefused(ticket) {
    if (!(await this.options.isUp(this.options.url)) || this.#ticket !== ticket || this.#retryTimer === null) return;
    this.#ticket = null;
    this.#connect();
  }

  #closeLost() {
    this.#lost?.socket.close();
    this.#lost = null;
  }

  #end() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#session?.close();
    this.#session = null;
    this.#closeLost();
    this.tell({ type: 'session.over' });
    this.#phase('stopped');
  }

  #phase(name) {
    this.tell({ type: 'page.phase', name });
  }
}
