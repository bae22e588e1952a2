/** Keeps the screen on while someone is being heard, where the browser can. */

export class WakeLock {
  #wanted = false;
  #lock = null;

  /** @param {boolean} wanted */
  async want(wanted) {
    this.#wanted = wanted;
    if (!wanted) {
      const lock = this.#lock;
      this.#lock = null;
      await lock?.release();
      return;
    }
    await this.renew();
  }

  /** The browser takes the lock away when the page is hidden; call this when it is seen again. */
  async renew() {
    if (!this.#wanted || this.#lock?.released === false || document.visibilityState !== 'visible' || navigator.wakeLock === undefined) return;
    try {
      const lock = await navigator.wakeLock.request('screen');
      if (this.#wanted) this.#lock = lock;
      else await lock.release();
    } catch (error) {
      console.debug('The screen may turn off:', error.message); // low battery, or not allowed: captions go on
    }
  }
}
