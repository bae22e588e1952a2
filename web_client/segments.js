/** The DOM of one piece of transcript. Text only ever enters as text. */

import { clock } from './clock.js';
import { markDoubtful } from './words.js';

/** Further events are shown beside the first when they are at least this probable. */
const LIKELY = 0.2;

/** @param {import('./transcript.js').Item} item @returns {HTMLLIElement} */
export function itemElement(item) {
  const li = make('li', item.kind);
  li.append(timeElement(item.begin_ms), textElement(item));
  const labels = labelsOf(item);
  if (labels.length > 0) li.append(labelsElement(labels));
  return li;
}

/** A segment that is being spoken; `update` shows what is new. */
export class OpenElement {
  #stable = '';
  #settled = make('span', 'stable');
  #unstable = make('span', 'unstable');

  /** @param {import('./transcript.js').Open} open */
  constructor(open) {
    this.element = make('li', 'open');
    this.text = make('p');
    this.text.append(this.#settled, this.#unstable);
    this.element.append(timeElement(open.begin_ms), this.text);
    this.update(open);
  }

  /** @param {import('./transcript.js').Open} open */
  update({ stable, unstable, orphan, language }) {
    this.element.classList.toggle('waiting', stable + unstable === '');
    this.element.classList.toggle('orphan', orphan);
    if (language !== null) this.text.lang = language.code;
    if (stable !== this.#stable) this.#settle(stable);
    this.#unstable.textContent = unstable;
  }

  #settle(stable) {
    if (!stable.startsWith(this.#stable)) this.#settled.replaceChildren();
    const news = stable.startsWith(this.#stable) ? stable.slice(this.#stable.length) : stable;
    this.#settled.append(make('span', 'settled', news));
    this.#stable = stable;
  }
}

/**
 * @param {import('./transcript.js').Item} item
 * @returns {{text: string, title: string}[]} `en 0.98`, `neutral 0.84`, `speech 0.99`: what the model said, with how sure it is
 */
export function labelsOf({ kind, speaker, language, emotion, events = [], unfinished }) {
  const labels = speaker ? [{ text: speaker, title: 'Who speaks on this channel' }] : [];
  if (kind !== 'speech') return labels;
  if (unfinished) labels.push({ text: 'unfinished', title: 'The connection was lost before this was settled' });
  if (language) labels.push(label('Language', language.code, language.p));
  if (emotion) labels.push(label('Emotion', emotion.label === 'unknown' ? 'emotion unknown' : emotion.label, emotion.p));
  const likely = events.filter((event, i) => i === 0 || event.p >= LIKELY);
  return [...labels, ...likely.map((event) => label('Sound', event.label, event.p))];
}

function label(name, text, p) {
  return { text: `${text} ${p.toFixed(2)}`, title: `${name}: ${text}, ${percent(p)}` };
}

function textElement(item) {
  const p = make('p');
  if (item.kind === 'sound') p.textContent = `[${item.event} ${item.p.toFixed(2)}]`;
  else if (item.kind === 'gap') p.textContent = `[${item.text}]`;
  else {
    if (item.language) p.lang = item.language.code;
    p.append(...markDoubtful(item.text.trim(), item.words).map(pieceNode));
  }
  return p;
}

function pieceNode({ text, confidence }) {
  if (confidence === null) return document.createTextNode(text);
  const span = make('span', 'doubtful', text);
  span.title = `${percent(confidence)} sure`;
  return span;
}

function timeElement(ms) {
  const time = make('time', '', clock(ms));
  time.dateTime = `PT${(ms / 1000).toFixed(3)}S`;
  return time;
}

function labelsElement(labels) {
  const div = make('div', 'labels');
  for (const { text, title } of labels) {
    const span = make('span', '', text);
    span.title = title;
    div.append(span);
  }
  return div;
}

function percent(p) {
  return `${Math.round(p * 100)} %`;
}

function make(tag, className = '', text = '') {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  if (text !== '') element.textContent = text;
  return element;
}
