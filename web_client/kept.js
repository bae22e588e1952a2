/**
 * The page of kept transcripts as a value: `reduce(state, message)` gives the next one. Pure; the only place where it changes.
 *
 * Messages: `list.asked {query}`, `list.came {query, before, transcripts, next}`, `one.asked {id}`, `one.came {id, transcript}`,
 * `one.left`, `one.deleted {id}`, `failed {text}`.
 */

/**
 * @typedef {object} Row as `/api/transcripts` tells it
 * @property {string} session_id
 * @property {string} opened
 * @property {string | null} closed
 * @property {number} duration_ms
 * @property {string} wire
 * @property {string | null} call
 * @property {number} finals
 * @property {number} found
 * @property {string} excerpt
 *
 * @typedef {{query: string, rows: Row[], next: string | null, loading: boolean, one: {id: string, transcript: object | null} | null,
 *   failure: string}} State
 */

/** @returns {State} */
export function initialState() {
  return { query: '', rows: [], next: null, loading: true, one: null, failure: '' };
}

/** @param {State} state @param {object} message @returns {State} */
export function reduce(state, message) {
  switch (message.type) {
    case 'list.asked':
      return { ...state, query: message.query, loading: true, failure: '' };
    case 'list.came':
      return addRows(state, message);
    case 'one.asked':
      return { ...state, one: { id: message.id, transcript: null }, failure: '' };
    case 'one.came':
      return state.one?.id === message.id ? { ...state, one: { id: message.id, transcript: message.transcript } } : state;
    case 'one.left':
      return { ...state, one: null, failure: '' };
    case 'one.deleted':
      return { ...state, rows: state.rows.filter((row) => row.session_id !== message.id) };
    case 'failed':
      return { ...state, loading: false, failure: message.text };
    default:
      return state;
  }
}

/** What comes after the query has changed is of no use. */
function addRows(state, { query, before, transcripts, next }) {
  if (query !== state.query || (before !== '' && before !== state.next)) return state;
  return { ...state, rows: before === '' ? transcripts : [...state.rows, ...transcripts], next, loading: false };
}

/** @param {State} state @returns {string} one line above the list */
export function countOf({ query, rows, next, loading }) {
  if (loading) return 'Looking…';
  if (rows.length === 0) return query === '' ? 'Nothing has been kept yet.' : 'Nobody said that.';
  const several = rows.length > 1 ? 'transcripts' : 'transcript';
  return `${rows.length}${next === null ? '' : '+'} ${several}${query === '' ? '' : ' in which it was said'}`;
}

/**
 * @param {object} transcript as `/api/transcripts/ID.json` has it
 * @returns {(import('./transcript.js').Item & {speaker?: string})[]} with speakers where several channels spoke
 */
export function itemsOf({ segments, format }) {
  const spoken = segments.filter((segment) => segment.text !== '');
  const several = new Set(spoken.map((segment) => segment.channel)).size > 1;
  const names = format.channel_names ?? [];
  const items = spoken.map((segment) => {
    const item = { kind: 'speech', id: segment.segment, ...segment };
    return several ? { ...item, speaker: names[segment.channel] ?? `Channel ${segment.channel + 1}` } : item;
  });
  return items.sort((a, b) => a.begin_ms - b.begin_ms);
}
