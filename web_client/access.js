/**
 * The key or token of this tab, where the server asks for one. It comes in the address, behind `#token=`, which browsers send to nobody,
 * or from whoever sits here; it is kept for as long as the tab is open and goes along as a subprotocol, a socket's only way in a browser.
 */

const NAME = 'streamer.key';
/** What a subprotocol may hold, and all that keys and tokens are made of. */
const SHAPE = /^[\w.-]{1,4096}$/;

export class Access {
  #key = '';

  /**
   * @param {object} options
   * @param {string} options.url which tells whether one may come in
   * @param {typeof fetch} [options.ask]
   * @param {() => Storage} [options.storage] may throw, as private windows do
   */
  constructor({ url, ask = (...request) => fetch(...request), storage = () => sessionStorage }) {
    Object.assign(this, { url, ask, storage });
    this.#key = this.#kept();
  }

  /** Takes a token out of the page's address, and out of its history. @param {Location} location @param {History} history */
  takeFrom(location, history) {
    const found = new URLSearchParams(location.hash.slice(1)).get('token');
    if (found === null) return;
    history.replaceState(null, '', location.pathname + location.search);
    this.take(found);
  }

  /** @param {string} text @returns {boolean} whether it can be a key at all */
  take(text) {
    const key = text.trim();
    if (!SHAPE.test(key)) return false;
    this.#key = key;
    try {
      this.storage().setItem(NAME, key);
    } catch {
      console.debug('This browser does not let the page remember a key');
    }
    return true;
  }

  /** @returns {string[]} to offer with a socket; the server agrees on the first and never says the other */
  get protocols() {
    return this.#key ? ['json', `streamer-key.${this.#key}`] : [];
  }

  /** @returns {Record<string, string>} for requests that are no socket */
  get headers() {
    return this.#key ? { 'X-API-Key': this.#key } : {};
  }

  /**
   * @returns {Promise<{why: string, keyed: boolean} | null>} why one may not come in, and whether a key would help; or null, also when the
   *   server cannot be asked, which the socket will see
   */
  async refusal() {
    try {
      const answer = await (await this.ask(this.url, { headers: this.headers, cache: 'no-store' })).json();
      if (answer.allowed !== false) return null;
      return { why: answer.keyed && !this.#key ? 'This server asks for a key.' : answer.why, keyed: answer.keyed };
    } catch {
      return null;
    }
  }

  #kept() {
    try {
      return this.storage().getItem(NAME) ?? '';
    } catch {
      return '';
    }
  }
}
