/** A button that shows a few choices: closes on a choice, on Escape, and when the focus or a press goes elsewhere. */

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} choices
 * @param {(choice: HTMLButtonElement) => void} onChoice
 */
export function makeMenu(button, choices, onChoice) {
  const toggle = (open) => {
    choices.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
  };
  button.addEventListener('click', () => toggle(choices.hidden));
  choices.addEventListener('click', (event) => {
    const choice = event.target.closest('button');
    if (choice === null) return;
    toggle(false);
    button.focus();
    onChoice(choice);
  });
  const menu = button.parentElement;
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || choices.hidden) return;
    toggle(false);
    button.focus();
  });
  menu.addEventListener('focusout', (event) => {
    if (event.relatedTarget !== null && !menu.contains(event.relatedTarget)) toggle(false);
  });
  document.addEventListener('pointerdown', (event) => {
    if (!menu.contains(event.target)) toggle(false);
  });
}
