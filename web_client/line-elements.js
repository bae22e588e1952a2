/** The sentences above the transcript, the newest on top. */

/**
 * @param {HTMLElement} container
 * @param {import('./lines.js').Line[]} lines
 * @param {(message: object) => void} dispatch
 */
export function renderLines(container, lines, dispatch) {
  const visible = new Map(lines.filter((line) => !line.hidden).map((line) => [String(line.id), line]));
  for (const element of [...container.children]) {
    if (!visible.delete(element.dataset.id)) element.remove();
  }
  for (const line of visible.values()) container.prepend(lineElement(line, dispatch));
}

function lineElement(line, dispatch) {
  const element = document.createElement('div');
  element.className = `line ${line.level}`;
  element.dataset.id = line.id;
  element.setAttribute('role', line.level === 'error' ? 'alert' : 'status');
  const text = document.createElement('p');
  text.textContent = line.text;
  element.append(text);
  if (line.level === 'undo') element.append(button('Undo', () => dispatch({ type: 'page.restored' })));
  const dismiss = button('×', () => dispatch({ type: 'page.dismissed', id: line.id }));
  dismiss.classList.add('dismiss');
  dismiss.setAttribute('aria-label', 'Dismiss');
  element.append(dismiss);
  return element;
}

function button(text, action) {
  const element = document.createElement('button');
  element.type = 'button';
  element.className = 'plain';
  element.textContent = text;
  element.addEventListener('click', action);
  return element;
}
