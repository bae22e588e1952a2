/** The memory of unanswered audio, and the microphone's bookkeeping over it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backlog, LIMIT_SAMPLES } from '../../web_client/backlog.js';
import { MicrophoneSource } from '../../web_client/microphone-source.js';

/** Chunks of 480 samples whose first sample is their number. */
function chunk(number) {
  const samples = new Int16Array(480);
  samples[0] = number;
  return samples;
}

function fill(target, from, to) {
  for (let number = from; number < to; number += 1) target.push(chunk(number));
}

function drain(source) {
  const numbers = [];
  for (let next = source.next(); next !== null; next = source.next()) numbers.push(next[0]);
  return numbers;
}

test('audio comes out once, in order', () => {
  const backlog = new Backlog();
  fill(backlog, 0, 3);
  assert.deepEqual(drain(backlog), [0, 1, 2]);
  fill(backlog, 3, 4);
  assert.deepEqual([drain(backlog), drain(backlog), backlog.waiting], [[3], [], 0]);
});

test('after a rewind everything unanswered comes again', () => {
  const backlog = new Backlog();
  fill(backlog, 0, 5);
  drain(backlog);
  backlog.release(2 * 480 + 100); // the third chunk is answered in part only
  backlog.rewind();
  assert.deepEqual([backlog.first, drain(backlog)], [960, [2, 3, 4]]);
});

test('it can be gone on with at any sample that is kept, and at no other', () => {
  const backlog = new Backlog();
  fill(backlog, 0, 4);
  drain(backlog);
  backlog.release(480);
  assert.deepEqual([backlog.seek(479), backlog.seek(4 * 480 + 1)], [false, false]);
  assert.equal(backlog.seek(2 * 480), true);
  assert.deepEqual([backlog.waiting, drain(backlog)], [960, [2, 3]]);
  assert.equal(backlog.seek(480 + 100), true);
  assert.equal(backlog.waiting, 3 * 480 - 100);
  assert.deepEqual([backlog.next().length, drain(backlog)], [380, [2, 3]]);
  assert.equal(backlog.seek(4 * 480), true);
  assert.deepEqual(drain(backlog), []);
});

test('nothing is released before it was sent', () => {
  const backlog = new Backlog();
  fill(backlog, 0, 3);
  backlog.next();
  backlog.release(1e9);
  assert.deepEqual(drain(backlog), [1, 2]);
});

test('memory ends at ten minutes, 19.2 MB', () => {
  assert.equal(LIMIT_SAMPLES * 2, 19_200_000);
  const backlog = new Backlog();
  for (let i = 0; i < 30_000; i += 1) backlog.push(chunk(0));
  assert.ok(backlog.waiting <= LIMIT_SAMPLES);
});

test('at the bound the oldest audio goes, and only what was never sent counts as lost', () => {
  const backlog = new Backlog(480 * 4);
  fill(backlog, 0, 4);
  backlog.next();
  assert.equal(backlog.push(chunk(4)), 3 * 480);
  assert.deepEqual(drain(backlog), [4]);
  fill(backlog, 5, 8);
  drain(backlog);
  assert.equal(backlog.push(chunk(8)), 0);
});

test('a final lets go of the audio before its end, but not of segments that are still open', () => {
  const source = new MicrophoneSource(0);
  fill(source, 0, 100);
  source.rewind();
  drain(source);
  source.heard({ type: 'speech.started', segment: 0, begin_ms: 300 });
  source.heard({ type: 'speech.started', segment: 1, begin_ms: 1500 });
  source.heard({ type: 'final', segment: 0, end_ms: 1620 });
  assert.deepEqual([source.rewind(), drain(source)[0]], [1500, 50]);
});

test('a heartbeat lets go of silence, but for half a second in which the next word may begin', () => {
  const source = new MicrophoneSource(0);
  fill(source, 0, 100);
  source.rewind();
  drain(source);
  source.heard({ type: 'heartbeat', received_ms: 3000, processed_ms: 2000, queue_ms: 0 });
  assert.equal(source.rewind(), 1500);
});

test('times of a later session are taken from its own beginning, on top of where the recording began', () => {
  const source = new MicrophoneSource(60_000);
  fill(source, 0, 100);
  assert.equal(source.rewind(), 60_000);
  drain(source);
  source.heard({ type: 'final', segment: 0, end_ms: 900 });
  assert.equal(source.rewind(), 60_900);
  drain(source);
  source.heard({ type: 'final', segment: 0, end_ms: 600 });
  assert.equal(source.rewind(), 61_500);
});

test('audio that is given up is told with its place in the transcript', () => {
  const source = new MicrophoneSource(1000, new Backlog(480 * 2));
  assert.equal(source.push(chunk(0)), null);
  assert.equal(source.push(chunk(1)), null);
  assert.deepEqual(source.push(chunk(2)), { begin_ms: 1000, end_ms: 1060 });
});

test('it is finished once it was ended and all was handed out', () => {
  const source = new MicrophoneSource(0);
  fill(source, 0, 2);
  source.end();
  assert.deepEqual([source.finished, source.waitingMs], [false, 60]);
  drain(source);
  assert.deepEqual([source.finished, source.waitingMs], [true, 0]);
});
