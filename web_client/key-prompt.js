/** Asks for a key when the server wants one, and again when it does not like it. */

export class KeyPrompt {
  /**
   * @param {Record<string, HTMLElement>} elements `asking`, a dialog, with `key-form`, `key` and `key-why`
   * @param {import('./access.js').Access} access
   * @param {(text: string) => void} tell what no key would help against
   */
  constructor(elements, access, tell) {
    Object.assign(this, { dialog: elements.asking, input: elements.key, why: elements['key-why'], access, tell });
    this.entered = null;
    this.waiting = null;
    elements['key-form'].addEventListener('submit', (event) => {
      event.preventDefault();
      this.#take();
    });
  }

  /** Resolves once one may come in, which is at once where no key is wanted. */
  admitted() {
    if (this.waiting !== null && !this.dialog.open) this.dialog.showModal(); // somebody had closed it
    this.waiting ??= this.#until().finally(() => { this.waiting = null; });
    return this.waiting;
  }

  async #until() {
    for (let refusal = await this.access.refusal(); refusal !== null; refusal = await this.access.refusal()) {
      if (!refusal.keyed) {
        this.tell(refusal.why);
        break;
      }
      await this.#ask(refusal.why);
    }
    this.dialog.close();
  }

  #ask(why) {
    this.why.textContent = why;
    if (!this.dialog.open) this.dialog.showModal();
    this.input.focus();
    return new Promise((resolve) => { this.entered = resolve; });
  }

  #take() {
    if (this.access.take(this.input.value)) {
      this.input.value = '';
      this.entered?.();
    } else {
      this.why.textContent = 'This is no key: one has letters, digits, dots, dashes and underscores only.';
    }
  }
}
