/** The transcript out of the page: as a file, or on the clipboard. */

import { FORMATS, fileName, toText } from './exporters.js';

/** @param {import('./transcript.js').State} state @param {keyof FORMATS} format */
export function saveAs(state, format) {
  const { mediaType, write } = FORMATS[format];
  const text = write(state.items, { model: state.page.model?.name ?? '' });
  const url = URL.createObjectURL(new Blob([text], { type: `${mediaType};charset=utf-8` }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName(new Date(), format);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers read it only after the click has returned
}

/** @param {import('./transcript.js').State} state @returns {Promise<boolean>} false where the browser has no clipboard for this page */
export async function copyText(state) {
  try {
    await navigator.clipboard.writeText(toText(state.items));
    return true;
  } catch {
    return copySelection(toText(state.items));
  }
}

/** The way without `navigator.clipboard`, which plain http does not have. */
function copySelection(text) {
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}
