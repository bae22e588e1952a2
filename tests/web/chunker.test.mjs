/** Samples into int16 chunks with their level. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CHUNK_SAMPLES, Chunker } from '../../web_client/chunker.js';

function chunksOf(samples) {
  const chunks = [];
  const chunker = new Chunker((chunk) => chunks.push(chunk));
  for (const sample of samples) chunker.add(sample);
  chunker.flush();
  return chunks;
}

test('chunks are 30 ms long, and the last one holds the rest', () => {
  assert.equal(CHUNK_SAMPLES, 480);
  assert.deepEqual(chunksOf(new Array(1000).fill(0)).map((chunk) => chunk.samples.length), [480, 480, 40]);
  assert.deepEqual(chunksOf([]), []);
});

test('full scale is the full range of int16, and what is louder is clipped', () => {
  assert.deepEqual([...chunksOf([0, 0.5, -0.5, 1, -1, 3, -3])[0].samples], [0, 16384, -16384, 32767, -32768, 32767, -32768]);
});

test('each chunk tells its own root mean square and peak', () => {
  const [first, second] = chunksOf([...new Array(480).fill(0.5), ...new Array(480).fill(-0.25)]);
  assert.deepEqual([first.rms, first.peak], [0.5, 0.5]);
  assert.deepEqual([second.rms, second.peak], [0.25, 0.25]);
});

test('each chunk owns its samples, so that they can be transferred', () => {
  const [first, second] = chunksOf(new Array(960).fill(0.1));
  assert.notEqual(first.samples.buffer, second.samples.buffer);
  assert.equal(first.samples.byteLength, first.samples.buffer.byteLength);
});
