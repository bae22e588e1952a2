/** Keeps the newest words in view, until the reader scrolls up to read. */

/** Closer to the end than this counts as being there, in CSS pixels. */
const NEAR_PX = 64;

export class Follow {
  #following = true;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content its only child
   * @param {HTMLButtonElement} latest the way back
   */
  constructor(scroller, content, latest) {
    Object.assign(this, { scroller, latest });
    scroller.addEventListener('scroll', () => this.#look(), { passive: true });
    latest.addEventListener('click', () => {
      this.#following = true;
      this.keep();
      scroller.focus();
    });
    const resized = new ResizeObserver(() => this.keep());
    resized.observe(scroller);
    resized.observe(content);
  }

  /** Something has changed: stay at the end, or show the way there. */
  keep() {
    if (this.#following) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.latest.hidden = this.#following;
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.#following = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.latest.hidden = this.#following;
  }
}
