/** Small decisions: languages, sentences about the microphone, labels, the small print. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { detailOf } from '../../web_client/detail.js';
import { explainFailure, explainMissing } from '../../web_client/explain.js';
import { effectiveLanguage, offeredLanguages } from '../../web_client/languages.js';
import { labelsOf } from '../../web_client/segments.js';

const model = (...languages) => ({ capabilities: { languages } });

test('the languages offered are those of the model, with automatic choice where there is one to make', () => {
  assert.deepEqual(offeredLanguages(null), ['auto', 'zh', 'en', 'yue', 'ja', 'ko']);
  assert.deepEqual(offeredLanguages(model('auto', 'zh', 'en')), ['auto', 'zh', 'en']);
  assert.deepEqual(offeredLanguages(model('en')), ['en']);
});

test('a remembered language that the model does not know gives way', () => {
  assert.equal(effectiveLanguage(model('zh', 'en'), 'zh'), 'zh');
  assert.equal(effectiveLanguage(model('zh', 'en'), 'ko'), 'auto');
  assert.equal(effectiveLanguage(model('en'), 'ko'), 'en');
});

test('each failure of the microphone has its own sentence, with what to do', () => {
  const sentence = (name) => explainFailure({ name, message: 'm' });
  assert.match(sentence('NotAllowedError'), /blocked for this page\. Allow it .* press Start again\.$/);
  assert.match(sentence('NotFoundError'), /^No microphone was found\. Connect one/);
  assert.match(sentence('NotReadableError'), /another program may be using it/);
  assert.match(sentence('OddError'), /OddError: m/);
});

test('a page without https is told apart from a browser that cannot record', () => {
  const page = { isSecureContext: true, location: { origin: 'http://10.0.0.7:8000' }, navigator: { mediaDevices: { getUserMedia() {} } }, AudioWorkletNode: class {} };
  assert.equal(explainMissing(page), null);
  assert.match(explainMissing({ ...page, isSecureContext: false }), /https or on localhost, and this one came from http:\/\/10\.0\.0\.7:8000\./);
  assert.match(explainMissing({ ...page, navigator: {} }), /^This browser cannot record/);
});

test('labels are what the model said, and nothing where it said nothing', () => {
  const item = {
    kind: 'speech', language: { code: 'en', p: 0.981 }, emotion: { label: 'unknown', p: 0.5 },
    events: [{ label: 'speech', p: 0.99 }, { label: 'laughter', p: 0.31 }, { label: 'bgm', p: 0.01 }],
  };
  assert.deepEqual(labelsOf(item).map((label) => label.text), ['en 0.98', 'emotion unknown 0.50', 'speech 0.99', 'laughter 0.31']);
  assert.equal(labelsOf(item)[0].title, 'Language: en, 98 %');
  assert.deepEqual(labelsOf({ kind: 'speech', language: null, emotion: null, events: [] }), []);
});

test('the small print tells how long, how far, or how much is kept', () => {
  assert.equal(detailOf({ waitingMs: 30 }, 'listening', 83_000), '1:23');
  assert.equal(detailOf({ waitingMs: 8000 }, 'listening', 83_000), 'catching up, 8 s behind');
  assert.equal(detailOf({ waitingMs: 8000 }, 'reconnecting', 83_000), '8 s kept');
  assert.equal(detailOf({ progress: 0.427, answeredMs: 0 }, 'listening', 0), '42 % sent');
  assert.equal(detailOf({ progress: 1, answeredMs: 83_000 }, 'finishing', 0), '1:23 done');
});
