/** Wiring of the page of kept transcripts: the state, the renderer, the server, and the page's controls. What follows `#` is the one shown. */

import { access, download, list, read, remove } from './kept-api.js';
import { KeptView } from './kept-view.js';
import { initialState, reduce } from './kept.js';
import { KeyPrompt } from './key-prompt.js';
import { makeMenu } from './menu.js';

/** After the last key, so that a word is looked for and not its first letter. */
const TYPED_MS = 250;
const SURE_MS = 4000;
const SAVED_MS = 60_000;

const elements = Object.fromEntries([...document.querySelectorAll('[id]')].map((element) => [element.id, element]));
const view = new KeptView(elements);
let state = initialState();
let typed = 0;
let doubt = 0;

function dispatch(message) {
  state = reduce(state, message);
  view.show(state);
}

/** @param {() => Promise<void>} work */
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    dispatch({ type: 'failed', text: error.message });
  }
}

function look(query, before = '') {
  dispatch({ type: 'list.asked', query });
  return attempt(async () => dispatch({ type: 'list.came', query, before, ...(await list(query, before)) }));
}

function open() {
  const id = decodeURIComponent(location.hash.slice(1));
  unsure();
  if (id === '') return dispatch({ type: 'one.left' });
  dispatch({ type: 'one.asked', id });
  return attempt(async () => dispatch({ type: 'one.came', id, transcript: await read(id) }));
}

function unsure() {
  clearTimeout(doubt);
  elements.delete.textContent = 'Delete';
  elements.delete.classList.remove('sure');
}

function save(format) {
  const { id } = state.one;
  return attempt(async () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await download(id, format));
    link.download = `${id}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), SAVED_MS);
  });
}

elements.query.addEventListener('input', () => {
  clearTimeout(typed);
  typed = setTimeout(() => look(elements.query.value.trim()), TYPED_MS);
});
elements.more.addEventListener('click', () => look(state.query, state.next));
elements.delete.addEventListener('click', () => {
  if (!elements.delete.classList.contains('sure')) {
    elements.delete.textContent = 'For good?';
    elements.delete.classList.add('sure');
    doubt = setTimeout(unsure, SURE_MS);
    return undefined;
  }
  const { id } = state.one;
  unsure();
  return attempt(async () => {
    await remove(id);
    dispatch({ type: 'one.deleted', id });
    location.hash = '';
  });
});
makeMenu(elements.save, elements['save-as'], (choice) => save(choice.dataset.format));
window.addEventListener('hashchange', open);

access.takeFrom(location, history);
await new KeyPrompt(elements, access, (text) => dispatch({ type: 'failed', text })).admitted();
look('');
open();
