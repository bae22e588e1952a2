/** What the page remembers between visits. Private windows may refuse; then it remembers nothing. */

const PREFIX = 'streamer.';

/** @param {string} name @returns {string} '' when nothing is remembered */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name) ?? '';
  } catch {
    return '';
  }
}

/** @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    console.debug('This browser does not let the page remember', name);
  }
}
