/** What a session needs to be gone on with over another socket: the server's token, what was seen of it, and what was said to it. */

export class Ticket {
  /** The number of the last message that came. */
  seen = 0;
  /** The server has agreed to `start`. */
  configured = false;
  /** Text frames in the order in which they were sent, `start` among them. */
  #texts = [];

  /** @param {{resume_token: string, limits: {resume_window_s?: number}}} created */
  constructor({ resume_token, limits }) {
    this.token = resume_token;
    this.windowMs = 1000 * (limits?.resume_window_s ?? 0);
  }

  /** @param {object} created `session.created` @returns {Ticket | null} null where the server has none to give */
  static of(created) {
    return typeof created.resume_token === 'string' ? new Ticket(created) : null;
  }

  /** @param {string} url of the socket @returns {string} where the session is gone on with */
  address(url) {
    const address = new URL(url);
    address.searchParams.set('resume', this.token);
    address.searchParams.set('after', this.seen);
    return address.href;
  }

  /** @param {{seq?: number}} message @returns {boolean} false for one that was seen before */
  isNews({ seq }) {
    if (seq === undefined) return true;
    if (seq <= this.seen) return false;
    this.seen = seq;
    return true;
  }

  /** @param {string} text a frame that is being sent */
  note(text) {
    this.#texts.push(text);
  }

  /** @param {number} received frames that the server has @returns {string[]} those it has not; they count as never sent */
  takeBack(received) {
    return this.#texts.splice(received);
  }

  /** @param {string} text */
  hasSent(text) {
    return this.#texts.includes(text);
  }
}
