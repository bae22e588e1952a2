/** Sample-rate conversion: pitch, rejection, timing, and independence from how the samples were cut. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Resampler } from '../../web_client/resampler.js';

function tone(hertz, rate, seconds) {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, n) => Math.sin((2 * Math.PI * hertz * n) / rate));
}

function convert(input, from, cuts = [input.length]) {
  const output = [];
  const resampler = new Resampler(from, 16000, (sample) => output.push(sample));
  let at = 0;
  for (let i = 0; at < input.length; i += 1) {
    resampler.push(input.subarray(at, at + cuts[i % cuts.length]));
    at += cuts[i % cuts.length];
  }
  resampler.flush();
  return output;
}

/** Root mean square without the filter's run-in and run-out. */
function level(samples) {
  const inner = samples.slice(800, -800);
  return Math.sqrt(inner.reduce((sum, x) => sum + x * x, 0) / inner.length);
}

for (const rate of [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000]) {
  test(`a 1 kHz tone at ${rate} Hz is the same 1 kHz tone at 16 kHz, sample for sample`, () => {
    const input = tone(1000, rate, 0.5);
    const output = convert(input, rate);
    assert.equal(output.length, Math.ceil((input.length * 16000) / rate));
    const expected = tone(1000, 16000, 0.5);
    const worst = Math.max(...output.slice(800, 7200).map((x, i) => Math.abs(x - expected[i + 800])));
    assert.ok(worst < 0.001, `differs by ${worst}`);
  });
}

for (const [rate, hertz] of [[48000, 12000], [48000, 8200], [44100, 12000], [44100, 15000], [96000, 30000]]) {
  test(`a tone of ${hertz} Hz at ${rate} Hz, which 16 kHz cannot hold, is attenuated by more than 70 dB`, () => {
    const attenuation = -20 * Math.log10(level(convert(tone(hertz, rate, 0.5), rate)) * Math.SQRT2);
    assert.ok(attenuation > 70, `${attenuation.toFixed(1)} dB`);
  });
}

test('speech frequencies pass without loss up to 7 kHz', () => {
  for (const hertz of [100, 3000, 5000, 7000]) {
    const loss = -20 * Math.log10(level(convert(tone(hertz, 48000, 0.5), 48000)) * Math.SQRT2);
    assert.ok(Math.abs(loss) < 0.05, `${hertz} Hz: ${loss.toFixed(3)} dB`);
  }
});

test('cutting the input never changes the output', () => {
  const noise = Float32Array.from({ length: 9000 }, (_, n) => Math.sin(n * n * 0.37) * Math.cos(n * 1.7));
  for (const rate of [8000, 22050, 44100, 48000]) {
    const whole = convert(noise, rate);
    for (const cuts of [[1], [128], [127, 1, 640], [5000]]) assert.deepEqual(convert(noise, rate, cuts), whole);
  }
});

test('the output has as many samples as the time of the input holds, also when it is very short', () => {
  assert.equal(convert(new Float32Array(441), 44100).length, 160);
  assert.equal(convert(new Float32Array(1), 48000).length, 1);
  assert.equal(convert(new Float32Array(0), 48000).length, 0);
});

test('a rate with no common divisor works, and one that is no rate is refused with a sentence', () => {
  const output = convert(tone(1000, 44101, 0.2), 44101);
  assert.ok(Math.abs(level(output) - Math.SQRT1_2) < 0.001);
  assert.throws(() => new Resampler(0, 16000, () => {}), /input rate is 0; expected a positive whole number/);
});
