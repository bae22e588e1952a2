/** The level of the microphone, in decibels below full scale. */

const FLOOR_DB = -60;
const LOUD_PEAK = 0.98;
/** How fast the bar falls, per chunk of 30 ms. */
const FALL_DB = 1.5;
/** Screen readers get a number four times a second. */
const SPOKEN_MS = 250;

export class Meter {
  #db = FLOOR_DB;
  #wanted = false;
  #spokenAt = 0;
  #loudUntil = 0;

  /** @param {HTMLElement} element of role `meter`, with the bar as its child */
  constructor(element) {
    this.element = element;
    this.bar = element.firstElementChild;
  }

  /** @param {{rms: number, peak: number}} level 0 to 1 */
  set({ rms, peak }) {
    const db = rms > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(rms)) : FLOOR_DB;
    this.#db = Math.max(db, this.#db - FALL_DB);
    if (peak === 0 && rms === 0) this.#db = FLOOR_DB;
    if (peak >= LOUD_PEAK) this.#loudUntil = performance.now() + 500;
    if (!this.#wanted) requestAnimationFrame(() => this.#draw());
    this.#wanted = true;
  }

  #draw() {
    this.#wanted = false;
    const now = performance.now();
    this.bar.style.transform = `scaleX(${(1 - this.#db / FLOOR_DB).toFixed(3)})`;
    this.element.classList.toggle('loud', now < this.#loudUntil);
    if (now - this.#spokenAt < SPOKEN_MS) return;
    this.#spokenAt = now;
    this.element.setAttribute('aria-valuenow', String(Math.round(this.#db)));
  }
}
