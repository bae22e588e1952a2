/**
 * What the page is doing, beside the transcript: a part of the reducer. Pure.
 *
 * Besides the server's messages it knows `page.phase {name}`, `page.detail {detail}`, `page.language {language}` and `page.begun {file}`.
 */

/**
 * @typedef {'stopped' | 'opening' | 'connecting' | 'listening' | 'reconnecting' | 'finishing'} Phase
 *
 * @typedef {object} Page
 * @property {Phase} phase
 * @property {string} detail small print beside the status
 * @property {string | null} file name of the file that is transcribed; null for the microphone
 * @property {string} language the wanted one
 * @property {{name: string, device: string, capabilities: object} | null} model null before the server has said
 * @property {boolean} kept the server keeps transcripts
 */

/** @returns {Page} */
export function initialPage() {
  return { phase: 'stopped', detail: '', file: null, language: 'auto', model: null, kept: false };
}

/** @param {Page} page @param {object} message @returns {Page} */
export function reducePage(page, message) {
  switch (message.type) {
    case 'session.created':
      return { ...page, model: { name: message.model, device: message.device, capabilities: message.capabilities }, kept: message.stored === true };
    case 'page.phase':
      return { ...page, phase: message.name };
    case 'page.detail':
      return message.detail === page.detail ? page : { ...page, detail: message.detail };
    case 'page.language':
      return { ...page, language: message.language };
    case 'page.begun':
      return { ...page, file: message.file ?? null };
    default:
      return page;
  }
}
