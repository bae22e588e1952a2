/** A file to transcribe: chosen with the button, or dropped anywhere on the page. */

/**
 * @param {object} options
 * @param {HTMLButtonElement} options.button
 * @param {HTMLInputElement} options.input
 * @param {(file: File) => void} options.onFile
 */
export function makeFileChoice({ button, input, onFile }) {
  button.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const [file] = input.files;
    input.value = ''; // the same file may be chosen again
    if (file !== undefined) onFile(file);
  });
  makeDropTarget(document.body, onFile);
}

function makeDropTarget(body, onFile) {
  const hasFiles = (event) => event.dataTransfer?.types.includes('Files') ?? false;
  body.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    body.classList.add('dropping');
  });
  body.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) body.classList.remove('dropping');
  });
  body.addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    body.classList.remove('dropping');
    const [file] = event.dataTransfer.files;
    if (file !== undefined) onFile(file);
  });
}
