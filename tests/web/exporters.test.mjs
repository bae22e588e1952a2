/** Saved files: text, captions, JSON. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fileName, toJson, toSrt, toText, toVtt } from '../../web_client/exporters.js';

const speech = { id: 0, kind: 'speech', begin_ms: 1250, end_ms: 3500, text: 'Fish & <chips>.', words: [], language: { code: 'en', p: 0.9 } };
const applause = { id: 1, kind: 'sound', begin_ms: 3600000, end_ms: 3601000, event: 'applause', p: 0.9 };
const gap = { id: 2, kind: 'gap', begin_ms: 5000, end_ms: 15000, text: '10 s are missing.' };
const items = [speech, applause, gap];

test('text has one line per segment, in the order of time, sounds and gaps in brackets', () => {
  assert.equal(toText(items), 'Fish & <chips>.\n[0:05 10 s are missing.]\n[applause]\n');
  assert.equal(toText([]), '');
});

test('SubRip numbers its cues and writes milliseconds after a comma', () => {
  assert.equal(toSrt(items), '1\n00:00:01,250 --> 00:00:03,500\nFish & <chips>.\n\n2\n01:00:00,000 --> 01:00:01,000\n[applause]\n');
});

test('WebVTT has its header, a dot before the milliseconds, and escapes what would be markup', () => {
  assert.equal(
    toVtt(items),
    'WEBVTT\n\n00:00:01.250 --> 00:00:03.500\nFish &amp; &lt;chips&gt;.\n\n01:00:00.000 --> 01:00:01.000\n[applause]\n',
  );
  assert.equal(toVtt([]), 'WEBVTT\n');
});

test('an arrow in the text does not look like a time in SubRip', () => {
  assert.match(toSrt([{ ...speech, text: 'a --> b' }]), /\na → b\n/);
});

test('JSON keeps everything, under the wire’s names', () => {
  const { model, items: kept } = JSON.parse(toJson(items, { model: 'SenseVoiceSmall' }));
  assert.equal(model, 'SenseVoiceSmall');
  assert.deepEqual(kept, [speech, gap, applause]);
});

function spoken(text, msPerWord, separator = ' ') {
  const parts = separator === '' ? [...text] : text.split(separator);
  const words = parts.map((part, i) => ({ text: part, begin_ms: i * msPerWord, end_ms: (i + 1) * msPerWord, confidence: 1 }));
  return { ...speech, text, words, begin_ms: 0, end_ms: words.length * msPerWord };
}

function cues(item) {
  return toVtt([item]).split('\n\n').slice(1).map((block) => block.trim().split('\n'));
}

test('a long segment becomes captions that fit, cut at clauses and timed by its words', () => {
  const text = 'It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was the epoch of belief';
  assert.deepEqual(cues(spoken(text, 200)), [
    ['00:00:00.000 --> 00:00:02.400', 'It was the best of times, it was the worst of times,'],
    ['00:00:02.400 --> 00:00:04.800', 'it was the age of wisdom, it was the age of foolishness,'],
    ['00:00:04.800 --> 00:00:06.000', 'it was the epoch of belief'],
  ]);
});

test('slow speech is cut by time, and joined captions are the whole text', () => {
  const text = 'one two three four five six seven eight nine ten';
  const blocks = cues(spoken(text, 1500));
  assert.deepEqual(blocks.map(([, line]) => line), ['one two three four', 'five six seven eight', 'nine ten']);
});

test('Chinese text, which has no spaces, is cut by its wider characters', () => {
  const blocks = cues(spoken('今'.repeat(50), 100, ''));
  assert.deepEqual(blocks.map(([, line]) => line.length), [42, 8]);
});

test('file names carry the local date and time', () => {
  assert.equal(fileName(new Date(2026, 2, 1, 14, 5), 'srt'), 'transcript 2026-03-01 14.05.srt');
});
