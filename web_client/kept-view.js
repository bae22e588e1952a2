/** Brings the page of kept transcripts to a state, and touches only what differs from the last one. */

import { clock } from './clock.js';
import { countOf, itemsOf } from './kept.js';
import { itemElement } from './segments.js';

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export class KeptView {
  #shown = null;

  /** @param {Record<string, HTMLElement>} elements by id */
  constructor(elements) {
    this.elements = elements;
  }

  /** @param {import('./kept.js').State} state */
  show(state) {
    const { failure, count, list, one, tools, more } = this.elements;
    const before = this.#shown;
    this.#shown = state;
    failure.hidden = state.failure === '';
    failure.textContent = state.failure;
    list.hidden = state.one !== null;
    one.hidden = tools.hidden = state.one === null;
    count.textContent = state.failure === '' ? countOf(state) : '';
    more.hidden = state.next === null || state.loading;
    if (state.rows !== before?.rows) this.elements.sessions.replaceChildren(...state.rows.map(rowElement));
    if (state.one !== before?.one) this.#showOne(state.one);
  }

  #showOne(one) {
    const { about, items, scroller, audio } = this.elements;
    const transcript = one?.transcript ?? null;
    audio.hidden = transcript?.recorded !== true;
    about.textContent = transcript === null ? '' : aboutOf(transcript);
    items.replaceChildren(...(transcript === null ? [] : itemsOf(transcript).map(itemElement)));
    scroller.scrollTop = 0;
    document.title = transcript === null ? 'Transcripts · Streamer' : `${WHEN.format(new Date(transcript.opened))} · Streamer`;
  }
}

function rowElement(row) {
  const li = document.createElement('li');
  const link = document.createElement('a');
  link.href = `#${encodeURIComponent(row.session_id)}`;
  const found = row.found > 0 ? [`said ${row.found === 1 ? 'once' : `${row.found} times`}, first at ${clock(row.excerpt_ms)}`] : [];
  link.append(paragraph('excerpt', row.excerpt || 'No words.'), paragraph('facts', [...factsOf(row), ...found].join(' · ')));
  li.append(link);
  return li;
}

function aboutOf(transcript) {
  const words = transcript.segments.some((segment) => segment.text !== '') ? [] : ['no words'];
  return [...factsOf(transcript), transcript.model, ...words].join(' · ');
}

function factsOf({ opened, closed, duration_ms, wire, call }) {
  return [
    WHEN.format(new Date(opened)),
    clock(duration_ms),
    ...(call === null ? [] : [call]),
    ...(wire === 'native' ? [] : [wire]),
    ...(closed === null ? ['not ended'] : []),
  ];
}

function paragraph(className, text) {
  const p = document.createElement('p');
  p.className = className;
  p.textContent = text;
  return p;
}
