/**
 * The one renderer: brings the page to a state, at most once per frame, and touches only what differs from the last one.
 * States are immutable, so "differs" is a comparison of references.
 */

import { renderLines } from './line-elements.js';
import { Panel } from './panel.js';
import { OpenElement, itemElement } from './segments.js';

export class Renderer {
  #shown = null;
  #wanted = null;
  /** The items on the page, in the order of `state.items`. */
  #items = [];
  #open = new Map();

  /**
   * @param {Record<string, HTMLElement>} elements by id
   * @param {import('./follow.js').Follow} follow
   * @param {(message: object) => void} dispatch
   */
  constructor(elements, follow, dispatch) {
    Object.assign(this, { elements, follow, dispatch });
    this.panel = new Panel(elements);
  }

  /** @param {import('./transcript.js').State} state */
  show(state) {
    if (this.#wanted === null) requestAnimationFrame(() => this.#render());
    this.#wanted = state;
  }

  #render() {
    const state = this.#wanted;
    const shown = this.#shown;
    this.#wanted = null;
    this.#shown = state;
    if (state.lines !== shown?.lines) renderLines(this.elements.lines, state.lines, this.dispatch);
    if (state.items !== shown?.items) this.#renderItems(state.items);
    if (state.open !== shown?.open) this.#renderOpen(state.open);
    this.panel.render(state, shown);
    this.follow.keep();
  }

  /** Finals are only ever added; anything else (cleared, said again) draws the list anew. */
  #renderItems(items) {
    const last = this.#items.length - 1;
    if (last >= 0 && items[last] !== this.#items[last]) {
      this.elements.items.replaceChildren();
      this.#items = [];
    }
    for (const item of items.slice(this.#items.length)) this.#insert(item);
    this.#items = items;
  }

  /** Sounds may come after speech that began later; they go before it. */
  #insert(item) {
    const li = itemElement(item);
    li.dataset.beginMs = item.begin_ms;
    let before = null;
    let neighbour = this.elements.items.lastElementChild;
    while (neighbour !== null && Number(neighbour.dataset.beginMs) > item.begin_ms) {
      before = neighbour;
      neighbour = neighbour.previousElementSibling;
    }
    this.elements.items.insertBefore(li, before);
  }

  #renderOpen(segments) {
    const known = this.#open;
    this.#open = new Map(segments.map((open) => [open.key, known.get(open.key) ?? new OpenElement(open)]));
    for (const [key, { element }] of known) if (!this.#open.has(key)) element.remove();
    for (const open of segments) {
      const view = this.#open.get(open.key);
      view.update(open);
      if (view.element.parentNode === null) this.elements.open.append(view.element);
    }
  }
}
