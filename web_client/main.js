/** Wiring: the state, the renderer, the transcriber, and the page's controls. */

import { Access } from './access.js';
import { chosenDevice, makeDeviceChoice, refreshDevices } from './devices.js';
import { explainMissing } from './explain.js';
import { makeFileChoice } from './file-choice.js';
import { Follow } from './follow.js';
import { greet } from './greeting.js';
import { KeyPrompt } from './key-prompt.js';
import { effectiveLanguage } from './languages.js';
import { makeMenu } from './menu.js';
import { Meter } from './meter.js';
import { Renderer } from './render.js';
import { copyText, saveAs } from './save.js';
import { recall, remember } from './storage.js';
import { Transcriber } from './transcriber.js';
import { initialState, reduce } from './transcript.js';
import { WakeLock } from './wake-lock.js';

const elements = Object.fromEntries([...document.querySelectorAll('[id]')].map((element) => [element.id, element]));
const url = Object.assign(new URL('ws', document.baseURI), { protocol: location.protocol === 'https:' ? 'wss:' : 'ws:' }).href;
const access = new Access({ url: new URL('access', document.baseURI).href });
const prompt = new KeyPrompt(elements, access, (text) => say('error', text));
const protocols = () => access.protocols;
const settings = () => ({ language: effectiveLanguage(state.page.model, state.page.language) });

let state = initialState();
const renderer = new Renderer(elements, new Follow(elements.scroller, elements.page, elements.latest), dispatch);
const meter = new Meter(elements.meter);
const wakeLock = new WakeLock();
const transcriber = new Transcriber({
  url, dispatch, settings, protocols, getState: () => state, deviceId: chosenDevice, onLevel: (level) => meter.set(level),
});

function dispatch(message) {
  const { phase } = state.page;
  state = reduce(state, message);
  if (state.page.phase !== phase) onPhase(state.page);
  renderer.show(state);
}

function onPhase({ phase, file }) {
  wakeLock.want(phase !== 'stopped');
  if (phase === 'reconnecting') prompt.admitted().then(() => transcriber.wake()); // the key may be why
  if (phase === 'connecting' && file === null) refreshDevices(elements.device); // names come with the permission
}

function say(level, text) {
  dispatch({ type: 'page.said', level, text });
}

function tellCopied() {
  elements.copy.textContent = 'Copied';
  elements.told.textContent = 'Copied';
  setTimeout(() => {
    elements.copy.textContent = 'Copy';
    elements.told.textContent = '';
  }, 2000);
}

elements.record.addEventListener('click', () => (state.page.phase === 'stopped' ? transcriber.listen() : transcriber.stop()));
elements.clear.addEventListener('click', () => dispatch({ type: 'page.cleared' }));
elements.copy.addEventListener('click', async () => {
  if (await copyText(state)) tellCopied();
  else say('error', 'This browser does not let the page copy. Save the transcript as text instead.');
});
elements.language.addEventListener('change', () => {
  remember('language', elements.language.value);
  dispatch({ type: 'page.language', language: elements.language.value });
  transcriber.configure(settings());
});
makeMenu(elements.save, elements['save-as'], (choice) => saveAs(state, choice.dataset.format));
makeDeviceChoice(elements.device, () => transcriber.changeMicrophone());
makeFileChoice({
  button: elements.choose,
  input: elements.file,
  onFile(file) {
    if (state.page.phase === 'stopped') transcriber.transcribe(file);
    else say('error', `${file.name} was not taken, because something else is being transcribed. Press Stop, then drop it again.`);
  },
});

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible') return;
  wakeLock.renew();
  transcriber.wake();
});
window.addEventListener('online', () => transcriber.wake());
window.addEventListener('beforeunload', (event) => {
  if (state.page.phase !== 'stopped') event.preventDefault();
});

dispatch({ type: 'page.language', language: recall('language') || 'auto' });
const missing = explainMissing(window);
if (missing !== null) say('warning', missing);
access.takeFrom(location, history);
prompt.admitted().then(() => greet(url, protocols, dispatch));
