/** The transcript as a file: pure functions from its items to a string. */

import { clock, timecode } from './clock.js';
import { cuesOf } from './cues.js';

/** @typedef {import('./transcript.js').Item} Item */

/** What can be saved: the file's extension, its media type and how to write it. */
export const FORMATS = {
  txt: { mediaType: 'text/plain', write: toText },
  srt: { mediaType: 'application/x-subrip', write: toSrt },
  vtt: { mediaType: 'text/vtt', write: toVtt },
  json: { mediaType: 'application/json', write: toJson },
};

/** @param {Item[]} items @returns {string} one line per segment; sounds and gaps in brackets */
export function toText(items) {
  return inOrder(items).map((item) => lineOf(item) + '\n').join('');
}

/** @param {Item[]} items @returns {string} SubRip */
export function toSrt(items) {
  const cues = inOrder(items).flatMap(cuesOf);
  return cues
    .map(({ begin_ms, end_ms, text }, i) => `${i + 1}\n${timecode(begin_ms, ',')} --> ${timecode(end_ms, ',')}\n${text.replaceAll('-->', '→')}\n`)
    .join('\n');
}

/** @param {Item[]} items @returns {string} WebVTT */
export function toVtt(items) {
  const cues = inOrder(items).flatMap(cuesOf);
  const blocks = cues.map(({ begin_ms, end_ms, text }) => `${timecode(begin_ms, '.')} --> ${timecode(end_ms, '.')}\n${escaped(text)}\n`);
  return ['WEBVTT\n', ...blocks].join('\n');
}

/** @param {Item[]} items @param {{model?: string}} [about] @returns {string} everything that is known, in the wire's names */
export function toJson(items, about = {}) {
  return JSON.stringify({ ...about, items: inOrder(items) }, null, 2) + '\n';
}

/** @param {Date} date @param {string} extension @returns {string} `transcript 2026-03-01 14.05.txt` */
export function fileName(date, extension) {
  const two = (number) => String(number).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `transcript ${day} ${two(date.getHours())}.${two(date.getMinutes())}.${extension}`;
}

/** @param {Item} item @returns {string} what a screen reader or a clipboard should get for it */
export function lineOf(item) {
  switch (item.kind) {
    case 'speech':
      return item.text.trim();
    case 'sound':
      return `[${item.event}]`;
    default:
      return `[${clock(item.begin_ms)} ${item.text}]`;
  }
}

/** Sounds may arrive after speech that began later. */
function inOrder(items) {
  return [...items].sort((a, b) => a.begin_ms - b.begin_ms);
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
