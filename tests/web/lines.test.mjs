/** Notices, warnings and errors. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { reduceLines } from '../../web_client/lines.js';

const created = { type: 'session.created', notice: 'The bundled model answers.' };
const full = { type: 'error', code: 'server_full', message: 'No room.', fatal: true, segment: null };

function after(...messages) {
  return messages.reduce(reduceLines, []);
}

function visible(lines) {
  return lines.filter((line) => !line.hidden).map((line) => [line.level, line.text]);
}

test('notice, warning and error are lines of their own, each said once', () => {
  const warning = { type: 'warning', code: 'x', message: 'Hotwords are not used.' };
  assert.deepEqual(visible(after(created, warning, full, created, warning, full)), [
    ['notice', 'The bundled model answers.'], ['warning', 'Hotwords are not used.'], ['error', 'No room.'],
  ]);
});

test('a notice that was dismissed does not come back with the next connection, an error does', () => {
  const lines = after(created, { type: 'page.dismissed', id: 0 });
  assert.deepEqual(visible(lines), []);
  assert.deepEqual(visible(reduceLines(lines, created)), []);
  assert.deepEqual(visible(after(full, { type: 'page.dismissed', id: 0 }, full)), [['error', 'No room.']]);
});

test('what ended a session goes away when the next one opens; other errors stay', () => {
  const mistake = { type: 'error', code: 'invalid_setting', message: 'Wrong.', fatal: false, segment: null };
  assert.deepEqual(visible(after(full, mistake, { type: 'session.opened' })), [['error', 'Wrong.']]);
});

test('a new recording begins without the old one’s errors', () => {
  assert.deepEqual(visible(after(created, { type: 'page.said', level: 'error', text: 'Blocked.' }, { type: 'page.begun' })), [
    ['notice', 'The bundled model answers.'],
  ]);
});

test('what the page itself said may be said again after it was dismissed, and at once with more weight', () => {
  const said = (level) => ({ type: 'page.said', level, text: 'No sound.' });
  assert.deepEqual(visible(after(said('warning'), { type: 'page.dismissed', id: 0 }, said('warning'))), [['warning', 'No sound.']]);
  assert.deepEqual(visible(after(said('warning'), said('error'))), [['error', 'No sound.']]);
});

test('errors that belong to a segment stand in the transcript, not here', () => {
  assert.deepEqual(after({ ...full, segment: 3 }), []);
});
