/**
 * The transcript as a value: `reduce(state, message)` gives the next one. Pure; the only place where it changes.
 *
 * Messages are the server's own (protocol.js) and the page's: `session.opened {offset_ms}`, `session.lost`, `session.over`,
 * `audio.lost {begin_ms, end_ms}`, `page.begun`, `page.cleared`, `page.restored`, and those of page-state.js and lines.js.
 *
 * Session times begin at 0 with every session; `offset_ms` of `session.opened` is where that lies in the transcript.
 */

import { duration } from './clock.js';
import { reduceLines } from './lines.js';
import { initialPage, reducePage } from './page-state.js';

/**
 * @typedef {object} Item settled, never changed again
 * @property {number} id counts up over all sessions
 * @property {'speech' | 'sound' | 'gap'} kind
 * @property {number} begin_ms
 * @property {number} end_ms
 *
 * @typedef {object} Open a segment that is being spoken
 * @property {string} key session and segment
 * @property {number} begin_ms
 * @property {string} stable
 * @property {string} unstable
 * @property {boolean} orphan its session is lost; what it said will be said again
 *
 * @typedef {{items: Item[], open: Open[], cleared: Item[], session: number, offset_ms: number, nextId: number,
 *   lines: import('./lines.js').Line[], page: import('./page-state.js').Page}} State
 */

/** @returns {State} */
export function initialState() {
  return { items: [], open: [], cleared: [], session: 0, offset_ms: 0, nextId: 0, lines: [], page: initialPage() };
}

/** @param {State} state @param {object} message @returns {State} */
export function reduce(state, message) {
  const next = reduceTranscript(state, message);
  const lines = reduceLines(state.lines, message);
  const page = reducePage(state.page, message);
  return lines === state.lines && page === state.page ? next : { ...next, lines, page };
}

/** @param {State} state @returns {number} where the transcript ends, in ms */
export function endOf(state) {
  return [...state.items, ...state.cleared].reduce((end, item) => Math.max(end, item.end_ms), 0);
}

function reduceTranscript(state, message) {
  switch (message.type) {
    case 'session.opened':
      return openSession(state, message.offset_ms);
    case 'session.lost':
      return { ...state, open: state.open.map((open) => ({ ...open, orphan: true })) };
    case 'session.resumed':
      return { ...state, open: state.open.map((open) => ({ ...open, orphan: false })) };
    case 'session.over':
      return settle({ ...state, open: [] }, state.open);
    case 'speech.started':
      return putOpen(state, { ...message, stable: '', unstable: '', revision: -1, language: null });
    case 'partial':
      return putOpen(dropReplaced(state, message), message);
    case 'final':
      return addFinal(closeSegment(dropReplaced(state, message), message.segment), message);
    case 'sound':
      return addItem(state, { kind: 'sound', event: message.event, p: message.p, ...shifted(state, message) });
    case 'error':
      return message.segment === null ? state : addFailure(state, message);
    case 'audio.lost':
      return addLoss(state, message);
    case 'page.begun':
      return { ...state, cleared: [] };
    case 'page.cleared':
      return { ...state, items: [], cleared: state.items };
    case 'page.restored':
      return { ...state, items: [...state.cleared, ...state.items], cleared: [] };
    default:
      return state;
  }
}

/** The audio from `offset_ms` on comes again: what it had given is forgotten, and what cannot come again is kept as it stands. */
function openSession(state, offset_ms) {
  const kept = state.items.filter((item) => item.begin_ms < offset_ms);
  const items = kept.length === state.items.length ? state.items : kept;
  const open = state.open.filter((segment) => segment.begin_ms >= offset_ms);
  const past = state.open.filter((segment) => segment.begin_ms < offset_ms);
  return settle({ ...state, items, open, offset_ms, session: state.session + 1 }, past);
}

function settle(state, segments) {
  return segments.reduce((next, { stable, unstable, begin_ms, end_ms, language }) => {
    const text = stable + unstable;
    if (text.trim() === '') return next;
    const plain = { text, raw_text: text, words: [], language, emotion: null, events: [], confidence: null };
    return addItem(next, { kind: 'speech', unfinished: true, begin_ms, end_ms, ...plain });
  }, state);
}

function putOpen(state, message) {
  const key = keyOf(state, message.segment);
  const known = state.open.find((open) => open.key === key);
  if (known !== undefined && known.revision >= message.revision) return state;
  const { stable, unstable, revision, language } = message;
  const open = { key, stable, unstable, revision, language, orphan: false, ...shifted(state, message) };
  return { ...state, open: [...state.open.filter((other) => other.key !== key), open].sort((a, b) => a.begin_ms - b.begin_ms) };
}

/** A new session has reached what a lost one had left open. */
function dropReplaced(state, message) {
  const { end_ms } = shifted(state, message);
  const open = state.open.filter((segment) => !segment.orphan || segment.begin_ms >= end_ms);
  return open.length === state.open.length ? state : { ...state, open };
}

function closeSegment(state, segment) {
  return { ...state, open: state.open.filter((open) => open.key !== keyOf(state, segment)) };
}

function addFinal(state, message) {
  const times = shifted(state, message);
  const [top] = message.events;
  const { text, raw_text, language, emotion, events, confidence } = message;
  if (text !== '') {
    const words = message.words.map((word) => ({ ...word, ...shifted(state, word) }));
    return addItem(state, { kind: 'speech', text, raw_text, words, language, emotion, events, confidence, ...times });
  }
  if (top === undefined || top.label === 'speech') return state;
  return addItem(state, { kind: 'sound', event: top.label, p: top.p, ...times });
}

function addFailure(state, message) {
  const failed = state.open.find((open) => open.key === keyOf(state, message.segment));
  const { begin_ms, end_ms } = failed ?? { begin_ms: endOf(state), end_ms: endOf(state) };
  return addItem(closeSegment(state, message.segment), { kind: 'gap', text: message.message, begin_ms, end_ms });
}

/** One gap for one outage, however long it grows. */
function addLoss(state, message) {
  const last = state.items.at(-1);
  const grows = last?.lost && last.end_ms === message.begin_ms;
  const begin_ms = grows ? last.begin_ms : message.begin_ms;
  const end_ms = message.end_ms;
  const text = `${duration(end_ms - begin_ms)} of audio are missing: the connection was away for longer than this page can remember.`;
  return addItem(grows ? { ...state, items: state.items.slice(0, -1) } : state, { kind: 'gap', lost: true, text, begin_ms, end_ms });
}

function addItem(state, item) {
  return { ...state, items: [...state.items, { id: state.nextId, ...item }], nextId: state.nextId + 1 };
}

function keyOf(state, segment) {
  return `${state.session}:${segment}`;
}

function shifted(state, { begin_ms, end_ms = begin_ms }) {
  return { begin_ms: begin_ms + state.offset_ms, end_ms: end_ms + state.offset_ms };
}
