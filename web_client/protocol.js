/**
 * The native wire, version 1 (docs/protocol.md): text frames in JSON, audio in binary frames.
 * Messages keep the wire's own field names.
 */

/** @param {object} fields fields of `start` @returns {string} */
export function encodeStart(fields) {
  return JSON.stringify({ type: 'start', ...fields });
}

/** @param {object} changes settings to change @returns {string} */
export function encodeConfigure(changes) {
  return JSON.stringify({ type: 'configure', ...changes });
}

/** @returns {string} */
export function encodeKeepalive() {
  return JSON.stringify({ type: 'keepalive' });
}

/** @returns {string} */
export function encodeStop() {
  return JSON.stringify({ type: 'stop' });
}

/**
 * Reads one text frame. Fields that the page relies on are always there afterwards.
 *
 * @param {string} text
 * @returns {object | null} the message, or null for one this page does not know
 */
export function decode(text) {
  const message = parse(text);
  switch (message?.type) {
    case 'session.created':
      return { notice: null, model: '', device: '', resume_token: null, limits: {}, ...message, capabilities: { languages: [], ...message.capabilities } };
    case 'partial':
      return { language: null, emotion: null, events: [], ...message };
    case 'final':
      return { text: '', words: [], language: null, emotion: null, events: [], confidence: null, ...message };
    case 'error':
      return { segment: null, fatal: false, ...message };
    case 'session.resumed':
    case 'session.configured':
    case 'speech.started':
    case 'speech.ended':
    case 'sound':
    case 'flushed':
    case 'heartbeat':
    case 'warning':
    case 'closed':
      return message;
    default:
      console.debug('A message this page does not know was ignored:', text);
      return null;
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
