/** What the page asks the server. Each answer that is no answer throws an `Error` with the server's own sentence. */

import { Access } from './access.js';

const API = 'api/transcripts';

/** The key of this tab, where the server asks for one. */
export const access = new Access({ url: 'access?for=transcripts' });

/** @param {string} query @param {string} before '' for the newest @returns {Promise<{transcripts: object[], next: string | null}>} */
export async function list(query, before) {
  const wanted = new URLSearchParams({ ...(query && { q: query }), ...(before && { before }) });
  return (await ask(`${API}?${wanted}`)).json();
}

/** @param {string} id @returns {Promise<object>} all that is kept of it */
export async function read(id) {
  return (await ask(addressOf(id, 'json'))).json();
}

/** @param {string} id */
export async function remove(id) {
  await ask(`${API}/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/** @param {string} id @param {string} format @returns {Promise<Blob>} to be saved as a file; a link could not show a key */
export async function download(id, format) {
  return (await ask(addressOf(id, format))).blob();
}

function addressOf(id, format) {
  return `${API}/${encodeURIComponent(id)}.${format}`;
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, { ...options, headers: access.headers });
  } catch {
    throw new Error('The server does not answer. Is it still running?');
  }
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer;
}
