/** Times as people and caption files write them. All arguments are milliseconds. */

/** @param {number} ms @returns {string} `0:07`, `12:30`, `1:02:03` */
export function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** @param {number} ms @param {string} mark before the milliseconds: `,` in SRT, `.` in WebVTT @returns {string} `00:00:07,250` */
export function timecode(ms, mark) {
  const whole = Math.max(0, Math.round(ms));
  const seconds = Math.floor(whole / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':');
  return parts + mark + String(whole % 1000).padStart(3, '0');
}

/** @param {number} ms @returns {string} `8 s`, `2 min 5 s` */
export function duration(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function two(number) {
  return String(number).padStart(2, '0');
}
