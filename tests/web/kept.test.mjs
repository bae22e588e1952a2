/** The page of kept transcripts: its reducer, and what it makes of one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { countOf, initialState, itemsOf, reduce } from '../../web_client/kept.js';
import { labelsOf } from '../../web_client/segments.js';

function row(id) {
  return { session_id: id };
}

function came(fields) {
  return { type: 'list.came', query: '', before: '', transcripts: [], next: null, ...fields };
}

function after(...messages) {
  return messages.reduce(reduce, initialState());
}

function ids(state) {
  return state.rows.map(({ session_id }) => session_id);
}

test('a list comes in pieces, and a new search begins anew', () => {
  const first = after(came({ transcripts: [row('a'), row('b')], next: '2.b' }));
  assert.equal(countOf(first), '2+ transcripts');
  const all = reduce(first, came({ before: '2.b', transcripts: [row('c')] }));
  assert.deepEqual(ids(all), ['a', 'b', 'c']);
  assert.equal(countOf(all), '3 transcripts');
  const searched = [{ type: 'list.asked', query: 'fox' }, came({ query: 'fox', transcripts: [row('b')] })].reduce(reduce, all);
  assert.deepEqual(ids(searched), ['b']);
  assert.equal(countOf(searched), '1 transcript in which it was said');
});

test('what comes after the search has changed is of no use, nor is a piece that came before', () => {
  const asked = after({ type: 'list.asked', query: 'f' }, { type: 'list.asked', query: 'fox' });
  assert.equal(reduce(asked, came({ query: 'f', transcripts: [row('a')] })), asked);
  assert.equal(countOf(asked), 'Looking…');
  const whole = after(came({ transcripts: [row('a')], next: '1.a' }), came({ before: '1.a', transcripts: [row('b')] }));
  assert.equal(reduce(whole, came({ before: '1.a', transcripts: [row('b')] })), whole);
});

test('an empty list says why it is empty', () => {
  assert.equal(countOf(after(came({}))), 'Nothing has been kept yet.');
  assert.equal(countOf(after({ type: 'list.asked', query: 'x' }, came({ query: 'x' }))), 'Nobody said that.');
});

test('one is opened, and another that was asked for before does not take its place', () => {
  const asked = after({ type: 'one.asked', id: 'a' }, { type: 'one.asked', id: 'b' }, { type: 'one.came', id: 'a', transcript: {} });
  assert.deepEqual(asked.one, { id: 'b', transcript: null });
  assert.deepEqual(reduce(asked, { type: 'one.came', id: 'b', transcript: { text: 'x' } }).one, { id: 'b', transcript: { text: 'x' } });
  assert.equal(reduce(asked, { type: 'one.left' }).one, null);
});

test('a failure is shown until something else is asked for', () => {
  const failed = after({ type: 'failed', text: 'The server does not answer.' });
  assert.deepEqual([failed.failure, failed.loading], ['The server does not answer.', false]);
  assert.equal(reduce(failed, { type: 'list.asked', query: '' }).failure, '');
});

test('what was deleted is not in the list any more', () => {
  assert.deepEqual(ids(after(came({ transcripts: [row('a'), row('b')] }), { type: 'one.deleted', id: 'a' })), ['b']);
});

test('speakers are named where there are several, by the name that the client gave them', () => {
  const segments = [
    { segment: 1, channel: 1, begin_ms: 900, text: 'Second.' }, { segment: 0, channel: 0, begin_ms: 100, text: 'First.' },
    { segment: 2, channel: 0, begin_ms: 2000, text: '' },
  ];
  const items = itemsOf({ segments, format: { channel_names: ['agent', 'customer'] } });
  assert.deepEqual(items.map(({ text, speaker }) => [text, speaker]), [['First.', 'agent'], ['Second.', 'customer']]);
  assert.deepEqual(itemsOf({ segments, format: {} }).map(({ speaker }) => speaker), ['Channel 1', 'Channel 2']);
  assert.deepEqual(itemsOf({ segments: segments.slice(1), format: {} }).map(({ speaker }) => speaker), [undefined]);
  assert.deepEqual(labelsOf(items[0]).map(({ text }) => text), ['agent']);
});
