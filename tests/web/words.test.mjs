/** Words in their text, and the marks of doubt. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { clock, duration } from '../../web_client/clock.js';
import { locateWords, markDoubtful } from '../../web_client/words.js';

const word = (text, confidence = 1) => ({ text, begin_ms: 0, end_ms: 1, confidence });

test('words are found in order, so that repeated ones do not get mixed up', () => {
  const places = locateWords('the cat, the dog', [word('the'), word(' cat'), word('the'), word('dog')]);
  assert.deepEqual(places.map(({ begin, end }) => [begin, end]), [[0, 3], [4, 7], [9, 12], [13, 16]]);
});

test('a word that the written text does not show is left out', () => {
  assert.deepEqual(locateWords('It costs 20 euros', [word('It'), word('twenty'), word('euros')]).length, 2);
});

test('doubtful words are cut out, and the pieces still join to the text', () => {
  const pieces = markDoubtful('I saw a gnu.', [word('I'), word('saw', 0.4), word('a'), word('gnu', 0.59)]);
  assert.deepEqual(pieces, [
    { text: 'I ', confidence: null }, { text: 'saw', confidence: 0.4 }, { text: ' a ', confidence: null },
    { text: 'gnu', confidence: 0.59 }, { text: '.', confidence: null },
  ]);
});

test('a model without confidences leaves no marks', () => {
  assert.deepEqual(markDoubtful('Hello.', [word('Hello', null)]), [{ text: 'Hello.', confidence: null }]);
});

test('times read like a clock, durations like a sentence', () => {
  assert.deepEqual([0, 59999, 60000, 3723000].map(clock), ['0:00', '0:59', '1:00', '1:02:03']);
  assert.deepEqual([200, 9600, 60000, 125000].map(duration), ['1 s', '10 s', '1 min', '2 min 5 s']);
});
