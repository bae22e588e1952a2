/**
 * The audio that may have to be sent again: everything the server has not answered yet, within a bound.
 *
 * Positions are samples at 16 kHz since the recording began; they count dropped audio too.
 */

export const SAMPLE_RATE = 16000;

/** Ten minutes, 19.2 MB: longer than most dropouts, small enough for a phone. */
export const LIMIT_SAMPLES = 10 * 60 * SAMPLE_RATE;

/** Dropped at once when the bound is reached, so that a starved connection is not disturbed with every chunk. */
const DROP_SAMPLES = 10 * SAMPLE_RATE;

export class Backlog {
  #chunks = [];
  /** Index of the next chunk to send. */
  #next = 0;
  /** Position of the oldest sample kept, of the next one to send, and of the end. */
  #first = 0;
  #sent = 0;
  #end = 0;

  /** @param {number} [limit] samples kept at most */
  constructor(limit = LIMIT_SAMPLES) {
    this.limit = limit;
  }

  /** Samples that wait to be sent. */
  get waiting() {
    return this.#end - this.#sent;
  }

  /** Position of the oldest sample that is kept. */
  get first() {
    return this.#first;
  }

  /**
   * @param {Int16Array} samples kept without a copy
   * @returns {number} samples that were dropped and had never been sent; 0 unless the bound was reached
   */
  push(samples) {
    this.#chunks.push(samples);
    this.#end += samples.length;
    if (this.#end - this.#first <= this.limit) return 0;
    const unsentFrom = this.#sent;
    this.#dropUntil(this.#first + Math.min(DROP_SAMPLES, this.limit));
    return Math.max(0, this.#first - unsentFrom);
  }

  /** @returns {Int16Array | null} the next chunk to send */
  next() {
    const chunk = this.#chunks[this.#next];
    if (chunk === undefined) return null;
    this.#next += 1;
    this.#sent += chunk.length;
    return chunk;
  }

  /** Everything that is kept is to be sent again. */
  rewind() {
    this.#next = 0;
    this.#sent = this.#first;
  }

  /**
   * What comes after this position is to be sent again.
   *
   * @param {number} position
   * @returns {boolean} false where the audio at this position is no longer kept, or has never been
   */
  seek(position) {
    if (position < this.#first || position > this.#end) return false;
    let at = this.#first;
    this.#next = 0;
    while (this.#next < this.#chunks.length && at + this.#chunks[this.#next].length <= position) {
      at += this.#chunks[this.#next].length;
      this.#next += 1;
    }
    if (at < position) {
      const chunk = this.#chunks[this.#next];
      this.#chunks.splice(this.#next, 1, chunk.subarray(0, position - at), chunk.subarray(position - at));
      this.#next += 1;
    }
    this.#sent = position;
    return true;
  }

  /** @param {number} position audio before it has been answered, and need not be kept; whole chunks only */
  release(position) {
    this.#dropUntil(Math.min(position, this.#sent));
  }

  #dropUntil(position) {
    let count = 0;
    while (count < this.#chunks.length && this.#first + this.#chunks[count].length <= position) {
      this.#first += this.#chunks[count].length;
      count += 1;
    }
    if (count === 0) return;
    this.#chunks.splice(0, count);
    this.#next = Math.max(0, this.#next - count);
    this.#sent = Math.max(this.#sent, this.#first);
  }
}
