/**
 * Streaming sample-rate conversion: a polyphase filter bank over a Kaiser-windowed sinc.
 *
 * Output sample n lies at input time n * from / to, without delay: the filter's look-ahead is waited for, not shifted
 * into the signal. The output depends on the samples alone, never on how they were cut into blocks.
 */

/** Zero crossings of the sinc on each side. With BETA: 80 dB of rejection from the new Nyquist frequency on. */
const CROSSINGS = 40;
const BETA = 7.86;
/** The filter's middle, as a part of the lower of the two Nyquist frequencies: flat to 0.88 of it, silent from 1.0 on. */
const ROLL_OFF = 0.94;

export class Resampler {
  /** Samples that are still needed: the newest `2 * reach` and what has not been consumed. */
  #held;
  #length;
  /** Whole part of the next output's input time, as an index into `#held`, and its remainder in `up`-ths. */
  #index;
  #phase = 0;
  #received = 0;
  #produced = 0;
  #phases = [];

  /**
   * @param {number} from rate of the input in Hz; any positive integer
   * @param {number} to rate of the output in Hz
   * @param {(sample: number) => void} emit receives each output sample in order
   */
  constructor(from, to, emit) {
    if (!Number.isInteger(from) || from <= 0) throw new RangeError(`The input rate is ${from}; expected a positive whole number of Hz.`);
    const shared = greatestCommonDivisor(from, to);
    this.up = to / shared;
    this.down = from / shared;
    this.emit = emit;
    this.cutoff = 0.5 * Math.min(1, to / from) * ROLL_OFF;
    this.reach = Math.ceil(CROSSINGS / (2 * this.cutoff));
    this.#held = new Float32Array(4 * this.reach + 1024);
    this.#length = this.reach - 1; // silence before the first sample
    this.#index = this.reach - 1;
  }

  /** @param {Float32Array} block input samples, any number of them */
  push(block) {
    this.#append(block);
    this.#received += block.length;
    this.#produce(Infinity);
    this.#forget();
  }

  /** Emits what the look-ahead still holds back. The input ends here. */
  flush() {
    this.#append(new Float32Array(this.reach));
    this.#produce(Math.ceil((this.#received * this.up) / this.down));
  }

  #append(block) {
    const needed = this.#length + block.length;
    if (needed > this.#held.length) {
      const wider = new Float32Array(2 * needed);
      wider.set(this.#held.subarray(0, this.#length));
      this.#held = wider;
    }
    this.#held.set(block, this.#length);
    this.#length = needed;
  }

  #produce(limit) {
    while (this.#index + this.reach < this.#length && this.#produced < limit) {
      const taps = this.#taps(this.#phase);
      const start = this.#index - this.reach + 1;
      let sum = 0;
      for (let k = 0; k < taps.length; k += 1) sum += taps[k] * this.#held[start + k];
      this.emit(sum);
      this.#produced += 1;
      this.#phase += this.down;
      this.#index += Math.floor(this.#phase / this.up);
      this.#phase %= this.up;
    }
  }

  #forget() {
    const unneeded = Math.min(this.#index - this.reach + 1, this.#length);
    if (unneeded <= 0) return;
    this.#held.copyWithin(0, unneeded, this.#length);
    this.#length -= unneeded;
    this.#index -= unneeded;
  }

  /** Weights of the inputs around an output that lies `phase / up` after one of them; they sum to one. Made when first needed. */
  #taps(phase) {
    this.#phases[phase] ??= designTaps(this.cutoff, this.reach, phase / this.up);
    return this.#phases[phase];
  }
}

function designTaps(cutoff, reach, fraction) {
  const taps = new Float64Array(2 * reach);
  let sum = 0;
  for (let k = 0; k < taps.length; k += 1) {
    const time = k - reach + 1 - fraction;
    taps[k] = sinc(2 * cutoff * time) * kaiser(time / reach);
    sum += taps[k];
  }
  return taps.map((tap) => tap / sum);
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  return Math.abs(x) > 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/** Modified Bessel function of the first kind, order zero, by its power series. */
function bessel(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
