/** Sentences for what stands between a person and their microphone. */

/**
 * @param {Window} window
 * @returns {string | null} why this page cannot record here, or null
 */
export function explainMissing({ isSecureContext, location, navigator, AudioWorkletNode }) {
  if (!isSecureContext) {
    return `Browsers give the microphone only to pages on https or on localhost, and this one came from ${location.origin}. `
      + 'Open it under an https address, or on the machine that runs the server. Files can be transcribed here as they are.';
  }
  if (navigator.mediaDevices?.getUserMedia === undefined || AudioWorkletNode === undefined) {
    return 'This browser cannot record sound for a web page. Current versions of Chrome, Edge, Firefox and Safari can. Files can be transcribed all the same.';
  }
  return null;
}

/** @param {Error} error what getUserMedia or the audio thread rejected with @returns {string} */
export function explainFailure(error) {
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'The microphone is blocked for this page. Allow it in the browser’s settings for this site, beside the address, and press Start again.';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'No microphone was found. Connect one and press Start again.';
    case 'NotReadableError':
    case 'AbortError':
      return 'The microphone could not be opened; another program may be using it. Close that program, or choose another microphone, and press Start again.';
    default:
      return `The microphone could not be opened (${error.name}: ${error.message}). Choose another one, or load the page again.`;
  }
}
