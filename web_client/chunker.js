/**
 * Gathers samples into int16 chunks of equal length, and measures each one for the level meter.
 */

/** 30 ms at 16 kHz: short enough not to be felt, long enough for a quiet message rate. */
export const CHUNK_SAMPLES = 480;

/** @typedef {{samples: Int16Array, rms: number, peak: number}} Chunk `rms` and `peak` lie between 0 and 1. */

export class Chunker {
  #chunk = new Int16Array(CHUNK_SAMPLES);
  #filled = 0;
  #squares = 0;
  #peak = 0;

  /** @param {(chunk: Chunk) => void} post receives each chunk, and owns it */
  constructor(post) {
    this.post = post;
  }

  /** @param {number} value one sample, full scale at 1; louder ones are clipped */
  add(value) {
    const sample = Math.max(-1, Math.min(value, 32767 / 32768));
    this.#chunk[this.#filled] = Math.round(sample * 32768);
    this.#filled += 1;
    this.#squares += sample * sample;
    this.#peak = Math.max(this.#peak, Math.abs(sample));
    if (this.#filled === CHUNK_SAMPLES) this.flush();
  }

  /** Posts what has been gathered, if anything. */
  flush() {
    if (this.#filled === 0) return;
    this.post({ samples: this.#chunk.slice(0, this.#filled), rms: Math.sqrt(this.#squares / this.#filled), peak: this.#peak });
    this.#filled = 0;
    this.#squares = 0;
    this.#peak = 0;
  }
}
