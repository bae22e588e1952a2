/**
 * Where a final's words stand in its text. The text is what people read; the words carry times and confidences.
 */

/** @typedef {{text: string, begin_ms: number, end_ms: number, confidence: number | null}} Word */

/** Words less sure than this are marked. */
export const DOUBTFUL_BELOW = 0.6;

/**
 * @param {string} text
 * @param {Word[]} words in the order of the text
 * @returns {{begin: number, end: number, word: Word}[]} character ranges; words that are not in the text are left out
 */
export function locateWords(text, words) {
  const places = [];
  let from = 0;
  for (const word of words) {
    const bare = word.text.trim();
    const begin = bare === '' ? -1 : text.indexOf(bare, from);
    if (begin < 0) continue;
    from = begin + bare.length;
    places.push({ begin, end: from, word });
  }
  return places;
}

/**
 * Cuts a text where doubtful words begin and end.
 *
 * @param {string} text
 * @param {Word[]} words
 * @returns {{text: string, confidence: number | null}[]} pieces that join to `text`; `confidence` only on doubtful words
 */
export function markDoubtful(text, words) {
  const pieces = [];
  let done = 0;
  for (const { begin, end, word } of locateWords(text, words)) {
    if (word.confidence === null || word.confidence === undefined || word.confidence >= DOUBTFUL_BELOW) continue;
    if (begin > done) pieces.push({ text: text.slice(done, begin), confidence: null });
    pieces.push({ text: text.slice(begin, end), confidence: word.confidence });
    done = end;
  }
  if (done < text.length) pieces.push({ text: text.slice(done), confidence: null });
  return pieces;
}
