/** The reducer: how messages become a transcript, over one session and over several. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { endOf, initialState, reduce } from '../../web_client/transcript.js';

const opened = { type: 'session.opened', offset_ms: 0 };
const started = { type: 'speech.started', segment: 0, channel: 0, begin_ms: 100 };

function partial(fields) {
  return { type: 'partial', segment: 0, revision: 0, stable: '', unstable: '', begin_ms: 100, end_ms: 900, language: null, ...fields };
}

function final(fields) {
  return {
    type: 'final', segment: 0, revision: 5, text: 'Hello.', raw_text: 'Hello.', words: [], begin_ms: 100, end_ms: 1000,
    language: null, emotion: null, events: [], confidence: null, ...fields,
  };
}

function after(...messages) {
  return messages.reduce(reduce, initialState());
}

function openTexts(state) {
  return state.open.map(({ stable, unstable }) => `${stable}|${unstable}`);
}

test('a segment opens, its partials replace one another, and its final takes their place', () => {
  const speaking = after(opened, started, partial({ revision: 0, unstable: 'Hell' }), partial({ revision: 1, stable: 'Hello', unstable: ' wor' }));
  assert.deepEqual(openTexts(speaking), ['Hello| wor']);
  assert.deepEqual(speaking.items, []);
  const done = reduce(speaking, final({ text: 'Hello world.' }));
  assert.deepEqual(done.open, []);
  assert.deepEqual(done.items.map((item) => [item.id, item.kind, item.text]), [[0, 'speech', 'Hello world.']]);
});

test('a partial that comes late changes nothing', () => {
  const state = after(opened, started, partial({ revision: 2, stable: 'new' }));
  assert.equal(reduce(state, partial({ revision: 1, stable: 'old' })), state);
});

test('messages that mean nothing to the transcript leave the very same state, so that nothing is drawn', () => {
  const state = after(opened, started);
  for (const type of ['heartbeat', 'speech.ended', 'session.configured', 'flushed', 'closed']) assert.equal(reduce(state, { type }), state);
});

test('earlier items keep their identity when one is added', () => {
  const one = after(opened, final({ segment: 0 }));
  const two = reduce(one, final({ segment: 1 }));
  assert.equal(two.items[0], one.items[0]);
});

test('a final without words leaves no line, but one that holds another sound names it', () => {
  assert.deepEqual(after(opened, started, final({ text: '' })).items, []);
  assert.deepEqual(after(opened, final({ text: '', events: [{ label: 'speech', p: 0.6 }] })).items, []);
  const [item] = after(opened, final({ text: '', events: [{ label: 'bgm', p: 0.9 }] })).items;
  assert.deepEqual([item.kind, item.event, item.p], ['sound', 'bgm', 0.9]);
});

test('a sound outside speech becomes an item', () => {
  const [item] = after(opened, { type: 'sound', channel: 0, event: 'applause', p: 0.9, begin_ms: 5, end_ms: 9 }).items;
  assert.deepEqual(item, { id: 0, kind: 'sound', event: 'applause', p: 0.9, begin_ms: 5, end_ms: 9 });
});

test('an error that takes the place of a final closes the segment and says so there', () => {
  const state = after(opened, started, partial({ stable: 'Hel' }), { type: 'error', code: 'transcription_failed', message: 'It failed.', fatal: false, segment: 0 });
  assert.deepEqual(state.open, []);
  assert.deepEqual(state.items.map((item) => [item.kind, item.text, item.begin_ms]), [['gap', 'It failed.', 100]]);
  assert.deepEqual(state.lines, []);
});

test('a second session goes on in times and ids where the first ended', () => {
  const words = [{ text: 'Hi', begin_ms: 10, end_ms: 90, confidence: 1 }];
  const state = after(opened, final({}), { type: 'session.lost' }, { type: 'session.opened', offset_ms: 60000 }, final({ words, begin_ms: 0, end_ms: 500 }));
  assert.deepEqual(state.items.map((item) => [item.id, item.begin_ms, item.end_ms]), [[0, 100, 1000], [1, 60000, 60500]]);
  assert.deepEqual(state.items[1].words, [{ text: 'Hi', begin_ms: 60010, end_ms: 60090, confidence: 1 }]);
  assert.equal(endOf(state), 60500);
});

test('a session that is gone on with has lost nothing: what was open goes on where it stands', () => {
  const lost = after(opened, started, partial({ revision: 4, stable: 'to be' }), { type: 'session.lost' });
  assert.equal(lost.open[0].orphan, true);
  const resumed = reduce(lost, { type: 'session.resumed', after: 3 });
  assert.deepEqual([openTexts(resumed), resumed.open[0].orphan, resumed.session], [['to be|'], false, 1]);
  const spoken = reduce(resumed, partial({ revision: 5, stable: 'to be or' }));
  assert.deepEqual(openTexts(spoken), ['to be or|']);
});

test('what a lost session left open stays in sight until the next one has reached it', () => {
  const lost = after(opened, final({ end_ms: 1000 }), { ...started, segment: 1, begin_ms: 2000 },
    partial({ segment: 1, stable: 'to be', begin_ms: 2000, end_ms: 3000 }), { type: 'session.lost' });
  const reopened = reduce(lost, { type: 'session.opened', offset_ms: 1000 });
  assert.deepEqual(openTexts(reopened), ['to be|']);
  assert.equal(reopened.open[0].orphan, true);
  const again = reduce(reopened, partial({ segment: 0, unstable: 'to', begin_ms: 1000, end_ms: 1800 }));
  assert.deepEqual(openTexts(again), ['|to']);
});

test('what can not be said again because its audio is gone is kept as it stands', () => {
  const state = after(opened, started, partial({ stable: 'half a ', unstable: 'sent' }), { type: 'session.lost' }, { type: 'session.opened', offset_ms: 5000 });
  assert.deepEqual(state.open, []);
  assert.deepEqual(state.items.map((item) => [item.text, item.unfinished]), [['half a sent', true]]);
});

test('what will be said again is forgotten, so that nothing stands there twice', () => {
  const state = after(opened, final({}), { type: 'sound', event: 'cough', p: 0.5, begin_ms: 1500, end_ms: 1700 }, { type: 'session.opened', offset_ms: 1200 });
  assert.deepEqual(state.items.map((item) => item.kind), ['speech']);
});

test('lost audio leaves a gap that says how much', () => {
  const [gap] = after(opened, { type: 'audio.lost', begin_ms: 1000, end_ms: 11000 }).items;
  assert.equal(gap.text, '10 s of audio are missing: the connection was away for longer than this page can remember.');
});

test('one outage is one gap, however long it lasts', () => {
  const lost = [[0, 10], [10, 20], [20, 130]].map(([begin, end]) => ({ type: 'audio.lost', begin_ms: begin * 1000, end_ms: end * 1000 }));
  const { items } = after(opened, final({ begin_ms: -900, end_ms: 0 }), ...lost);
  assert.deepEqual(items.map((item) => item.kind), ['speech', 'gap']);
  assert.match(items[1].text, /^2 min 10 s of audio are missing/);
});

test('when everything is over, unfinished words are kept', () => {
  const state = after(opened, started, partial({ stable: 'and then' }), { type: 'session.over' });
  assert.deepEqual([state.open.length, state.items[0].text, state.items[0].unfinished], [0, 'and then', true]);
});

test('clearing can be undone until the next recording begins', () => {
  const cleared = after(opened, final({}), { type: 'page.cleared' });
  assert.deepEqual([cleared.items.length, cleared.lines[0].level], [0, 'undo']);
  const restored = reduce(cleared, { type: 'page.restored' });
  assert.deepEqual([restored.items.length, restored.lines], [1, []]);
  assert.deepEqual(reduce(cleared, { type: 'page.begun' }).cleared, []);
});

test('the server’s greeting tells the page about the model', () => {
  const capabilities = { languages: ['en'], emotion: false };
  const { page } = after({ type: 'session.created', model: 'm', device: 'cpu', capabilities, notice: null });
  assert.deepEqual(page.model, { name: 'm', device: 'cpu', capabilities });
});
