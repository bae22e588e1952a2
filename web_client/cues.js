/** Captions: segments cut into pieces that fit on a screen, by the times of their words. */

import { locateWords } from './words.js';

/** Two lines of 42 characters, the usual measure of subtitles; a wide (CJK) character counts as two. */
const MAX_WIDTH = 84;
const MAX_MS = 7000;
/** A clause may end a cue early once it is this full. */
const ENOUGH_WIDTH = 48;
const CLAUSE_END = /[.,;:!?。，；：！？、…]["'”’）)]?\s*$/;
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/g;

/** @typedef {{begin_ms: number, end_ms: number, text: string}} Cue */

/** @param {import('./transcript.js').Item} item @returns {Cue[]} none for gaps */
export function cuesOf(item) {
  const { begin_ms, end_ms } = item;
  if (item.kind === 'sound') return [{ begin_ms, end_ms, text: `[${item.event}]` }];
  if (item.kind !== 'speech') return [];
  const places = locateWords(item.text, item.words);
  if (places.length === 0 || fits(item.text, end_ms - begin_ms)) return [{ begin_ms, end_ms, text: oneLine(item.text) }];
  return cut(item, places);
}

function cut(item, places) {
  const cues = [];
  let first = 0;
  for (let i = 0; i < places.length; i += 1) {
    const soFar = pieceOf(item, places, first, i);
    const longer = i + 1 < places.length ? pieceOf(item, places, first, i + 1) : null;
    const clauseEnds = widthOf(soFar.text) >= ENOUGH_WIDTH && CLAUSE_END.test(soFar.text);
    if (longer !== null && !clauseEnds && fits(longer.text, longer.end_ms - longer.begin_ms)) continue;
    cues.push({ ...soFar, text: oneLine(soFar.text) });
    first = i + 1;
  }
  return cues;
}

/** Words `first` to `last` with what follows them up to the next word; the first and last piece take the text's ends too. */
function pieceOf({ text }, places, first, last) {
  const from = first === 0 ? 0 : places[first].begin;
  const to = places[last + 1]?.begin ?? text.length;
  return { begin_ms: places[first].word.begin_ms, end_ms: places[last].word.end_ms, text: text.slice(from, to) };
}

function fits(text, ms) {
  return widthOf(text.trim()) <= MAX_WIDTH && ms <= MAX_MS;
}

function widthOf(text) {
  return text.length + (text.match(WIDE)?.length ?? 0);
}

function oneLine(text) {
  return text.trim().replace(/\s+/g, ' ');
}
