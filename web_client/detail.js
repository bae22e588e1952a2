/** The small print beside the status: how long, how far, how much behind. */

import { clock, duration } from './clock.js';

/** Audio that waits longer than this is worth a word. */
const BEHIND_MS = 2000;

/**
 * @param {import('./microphone-source.js').MicrophoneSource | import('./file-source.js').FileSource} source
 * @param {string} phase
 * @param {number} capturedMs
 * @returns {string}
 */
export function detailOf(source, phase, capturedMs) {
  if (source.progress !== undefined) return source.progress < 1 ? `${Math.floor(source.progress * 100)} % sent` : `${clock(source.answeredMs)} done`;
  if (source.waitingMs < BEHIND_MS) return clock(capturedMs);
  return phase === 'reconnecting' ? `${duration(source.waitingMs)} kept` : `catching up, ${duration(source.waitingMs)} behind`;
}
