/** Everything around the transcript that follows the state: button, status, tools, model, languages. */

import { LANGUAGES, effectiveLanguage, offeredLanguages } from './languages.js';

const STATUS = {
  stopped: 'Stopped',
  opening: 'Waiting for the microphone…',
  connecting: 'Connecting…',
  listening: 'Listening',
  reconnecting: 'No connection. Trying again.',
  finishing: 'Finishing…',
};

export class Panel {
  /** @param {Record<string, HTMLElement>} elements by id */
  constructor(elements) {
    this.elements = elements;
  }

  /** @param {import('./transcript.js').State} state @param {import('./transcript.js').State | null} shown */
  render({ page, items, open, session }, shown) {
    const { status, detail, empty } = this.elements;
    const before = shown?.page;
    empty.hidden = items.length + open.length > 0;
    if (items !== shown?.items) this.#renderTools(items.length > 0);
    if (page === before) return;
    setText(status, statusOf(page, session));
    setText(detail, page.detail);
    this.elements.kept.hidden = !page.kept;
    if (page.phase !== before?.phase) this.#renderPhase(page);
    if (page.model !== before?.model) this.#renderModel(page.model);
    if (page.model !== before?.model || page.language !== before?.language) this.#renderLanguages(page);
  }

  #renderPhase({ phase, file }) {
    const { record, choose, invitation, alternative } = this.elements;
    const stopped = phase === 'stopped';
    const ending = phase === 'finishing' && file === null;
    setText(record, stopped ? 'Start' : ending ? 'Don’t wait' : 'Stop');
    record.classList.toggle('live', !stopped);
    record.classList.toggle('ending', ending);
    choose.disabled = !stopped;
    setText(invitation, stopped ? 'Press Start and speak.' : 'Words will appear here.');
    invitation.classList.toggle('quiet', !stopped);
    alternative.hidden = !stopped;
    document.title = stopped ? 'Streamer' : '● Streamer';
  }

  #renderTools(any) {
    for (const tool of ['copy', 'save', 'clear']) this.elements[tool].disabled = !any;
  }

  #renderModel(model) {
    if (model !== null) setText(this.elements.model, `${model.name} · ${model.device.startsWith('cuda') ? 'GPU' : model.device.toUpperCase()}`);
  }

  #renderLanguages({ model, language }) {
    const offered = offeredLanguages(model);
    const select = this.elements.language;
    select.replaceChildren(...offered.map((code) => new Option(LANGUAGES[code], code)));
    select.value = effectiveLanguage(model, language);
    select.disabled = offered.length < 2;
  }
}

function statusOf({ phase, file }, session) {
  if (phase === 'stopped' && session === 0) return 'Ready';
  if ((phase === 'listening' || phase === 'finishing') && file !== null) return `Transcribing ${file}`;
  if (phase === 'reconnecting' && file === null) return `${STATUS.reconnecting} What you say is kept.`;
  return STATUS[phase];
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
