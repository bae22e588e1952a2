/** Sessions and their succession, over a socket that does as told. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Backlog } from '../../web_client/backlog.js';
import { Connection, backoff } from '../../web_client/connection.js';
import { FileSource } from '../../web_client/file-source.js';
import { MicrophoneSource } from '../../web_client/microphone-source.js';

let sockets = [];
let now = 0;

class FakeSocket {
  readyState = 1;
  bufferedAmount = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    sockets.push(this);
  }

  send(data) {
    this.sent.push(typeof data === 'string' ? JSON.parse(data) : data);
  }

  close() {
    this.readyState = 3;
  }

  receive(type, fields = {}) {
    this.onmessage({ data: JSON.stringify({ type, ...fields }) });
  }

  greet() {
    this.receive('session.created', { model: 'm', capabilities: {} });
    this.receive('session.configured');
  }

  lose(code = 1006) {
    this.readyState = 3;
    this.onclose({ code });
  }
}

beforeEach(() => {
  sockets = [];
  now = 0;
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  mock.method(performance, 'now', () => now);
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

function pass(ms) {
  for (let left = ms; left > 0; left -= 500) {
    now += 500;
    mock.timers.tick(500);
  }
}

/** Lets promises that are ready go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function connect(source, options = {}) {
  const told = [];
  const connection = new Connection({
    url: 'ws://x/ws', source, settings: () => ({ language: 'en' }), tell: (message) => told.push(message), Socket: FakeSocket, isUp: async () => false, ...options,
  });
  connection.open();
  return { connection, phases: () => told.filter((m) => m.type === 'page.phase').map((m) => m.name), types: () => told.map((m) => m.type), told };
}

function listening() {
  const source = new MicrophoneSource(0);
  const run = { source, ...connect(source) };
  sockets[0].greet();
  return run;
}

function speak(run, count) {
  for (let i = 0; i < count; i += 1) run.source.push(new Int16Array(480).fill(i));
  run.connection.push();
  return settle();
}

const audioOf = (socket) => socket.sent.filter((data) => data instanceof Int16Array).map((data) => data[0]);

test('the first words are start, with format and settings, and audio follows the server’s consent', async () => {
  const source = new MicrophoneSource(0);
  const run = { source, ...connect(source) };
  await speak(run, 2);
  sockets[0].receive('session.created');
  assert.deepEqual(sockets[0].sent, [{ type: 'start', format: 'pcm_s16le', sample_rate: 16000, channels: 1, language: 'en', resume: true }]);
  sockets[0].receive('session.configured');
  await settle();
  assert.deepEqual(audioOf(sockets[0]), [0, 1]);
  assert.deepEqual(run.phases(), ['connecting', 'listening']);
});

test('finishing sends the rest and stop, and ends with the server’s goodbye', async () => {
  const run = listening();
  await speak(run, 2);
  run.connection.finish();
  await settle();
  assert.deepEqual(sockets[0].sent.at(-1), { type: 'stop' });
  sockets[0].receive('closed', { reason: 'stop', totals: {} });
  assert.equal(run.phases().at(-1), 'stopped');
  assert.equal(run.types().filter((type) => type === 'session.over').length, 1);
  pass(60_000);
  assert.equal(sockets.length, 1);
});

test('after a loss it connects again and says everything unanswered once more, also what was captured meanwhile', async () => {
  const run = listening();
  await speak(run, 4);
  sockets[0].receive('final', { segment: 0, begin_ms: 0, end_ms: 60 });
  sockets[0].lose();
  await speak(run, 1);
  assert.equal(run.phases().at(-1), 'reconnecting');
  pass(1000);
  assert.equal(sockets.length, 2);
  sockets[1].greet();
  await settle();
  assert.deepEqual(run.told.filter((m) => m.type === 'session.opened').map((m) => m.offset_ms), [0, 60]);
  assert.deepEqual(audioOf(sockets[1]), [2, 3, 0]);
  assert.equal(run.phases().at(-1), 'listening');
});

test('a loss while finishing is made good too, and then it ends', async () => {
  const run = listening();
  await speak(run, 2);
  run.connection.finish();
  await settle();
  sockets[0].lose();
  pass(1000);
  sockets[1].greet();
  await settle();
  assert.deepEqual(audioOf(sockets[1]), [0, 1]);
  assert.deepEqual(sockets[1].sent.at(-1), { type: 'stop' });
});

test('waiting doubles up to 15 s, never the same for two clients, and begins anew once results flow', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 60].map((attempt) => backoff(attempt, () => 1)), [500, 1000, 2000, 4000, 8000, 15000, 15000]);
  assert.equal(backoff(2, () => 0), 1000);
  const run = listening();
  for (let i = 0; i < 6; i += 1) {
    sockets.at(-1).lose();
    pass(15_000);
  }
  sockets.at(-1).greet();
  sockets.at(-1).receive('heartbeat', { processed_ms: 0 });
  const before = sockets.length;
  sockets.at(-1).lose();
  pass(500);
  assert.equal(sockets.length, before + 1);
  run.connection.abandon();
});

test('when the page is seen again or the network is back it does not wait', () => {
  const run = listening();
  for (let i = 0; i < 5; i += 1) {
    sockets.at(-1).lose();
    run.connection.retryNow();
  }
  assert.equal(sockets.length, 6);
  run.connection.retryNow();
  assert.equal(sockets.length, 6);
});

test('a hidden page, whose timers sleep, connects and notices a dead socket when audio comes', () => {
  const run = listening();
  sockets[0].lose();
  now += 20_000;
  run.connection.push();
  assert.equal(sockets.length, 2);
  sockets[1].greet();
  now += 13_000;
  run.connection.push();
  assert.equal(run.phases().at(-1), 'reconnecting');
  run.connection.abandon();
});

test('a socket without any word for 12 s is dead, whatever it says of itself', () => {
  const run = listening();
  pass(6000);
  sockets[0].receive('heartbeat', { processed_ms: 0 });
  pass(11_000);
  assert.equal(run.phases().at(-1), 'listening');
  pass(3000);
  assert.equal(sockets.length, 2);
  assert.equal(sockets[0].readyState, 3);
});

test('what a socket says after it was given up is not heard', () => {
  const run = listening();
  sockets[0].lose();
  const count = run.told.length;
  sockets[0].receive('final', { segment: 0 });
  sockets[0].lose();
  assert.equal(run.told.length, count);
});

test('silence from our side is bridged with keepalive', () => {
  listening();
  for (let i = 0; i < 4; i += 1) {
    pass(3000);
    sockets[0].receive('heartbeat', { processed_ms: 0 });
  }
  assert.deepEqual(sockets[0].sent.filter((data) => data.type === 'keepalive').length, 1);
});

test('an error that the same audio would meet again ends it; a full server is tried again', () => {
  const hopeless = listening();
  sockets[0].receive('error', { code: 'invalid_audio', message: 'No audio.', fatal: true, segment: null });
  sockets[0].lose(1007);
  assert.equal(hopeless.phases().at(-1), 'stopped');
  const full = connect(new MicrophoneSource(0));
  sockets.at(-1).receive('error', { code: 'server_full', message: 'Full.', fatal: true, segment: null });
  sockets.at(-1).lose(1013);
  assert.equal(full.phases().at(-1), 'reconnecting');
  full.connection.abandon();
});

test('a start that the server refuses is not repeated', () => {
  const run = connect(new MicrophoneSource(0));
  sockets[0].receive('session.created');
  sockets[0].receive('error', { code: 'invalid_setting', message: 'No such language.', fatal: false, segment: null });
  assert.equal(run.phases().at(-1), 'stopped');
});

test('a change of settings goes to a running session, and into the start of the next', () => {
  const run = listening();
  run.connection.configure({ language: 'ja' });
  assert.deepEqual(sockets[0].sent.at(-1), { type: 'configure', language: 'ja' });
  sockets[0].lose();
  run.connection.configure({ language: 'ko' });
  run.connection.abandon();
});

test('audio waits while the browser’s send buffer is full', async () => {
  const run = listening();
  sockets[0].bufferedAmount = 300 * 1024;
  await speak(run, 2);
  assert.deepEqual(audioOf(sockets[0]), []);
  sockets[0].bufferedAmount = 0;
  pass(500);
  await settle();
  assert.deepEqual(audioOf(sockets[0]), [0, 1]);
});

test('a file goes out in pieces of 32 KiB as a container, then stop; after a loss from its first byte', async () => {
  const run = connect(new FileSource(new Blob([new Uint8Array(70_000)]), 5000));
  sockets[0].greet();
  for (let i = 0; i < 20; i += 1) await settle();
  assert.deepEqual(sockets[0].sent[0], { type: 'start', format: 'container', language: 'en', resume: true });
  assert.deepEqual(sockets[0].sent.slice(1, -1).map((piece) => piece.byteLength), [32768, 32768, 4464]);
  assert.deepEqual(sockets[0].sent.at(-1), { type: 'stop' });
  sockets[0].lose();
  pass(1000);
  sockets[1].greet();
  for (let i = 0; i < 20; i += 1) await settle();
  assert.equal(sockets[1].sent.length, 5);
  assert.deepEqual(run.told.filter((m) => m.type === 'session.opened').map((m) => m.offset_ms), [5000, 5000]);
});

test('a file that vanishes while it is read ends with a sentence', async () => {
  const source = new FileSource({ size: 10, slice: () => ({ size: 10, arrayBuffer: () => Promise.reject(new Error('it was moved')) }) }, 0);
  const run = connect(source);
  sockets[0].greet();
  await settle();
  assert.equal(run.told.find((m) => m.type === 'page.said').text, 'The file could not be read to its end (it was moved). Choose it again.');
  assert.deepEqual(sockets[0].sent.at(-1), { type: 'stop' });
});

/** A session that the server keeps for a while. */
function resumable(source = new MicrophoneSource(0), options = {}) {
  const run = { source, ...connect(source, options) };
  sockets[0].receive('session.created', { model: 'm', capabilities: {}, resume_token: 'T?&', limits: { resume_window_s: 30 }, seq: 1 });
  sockets[0].receive('session.configured', { seq: 2 });
  return run;
}

test('after a loss it goes on with the same session: what the server has is not sent again, and nothing opens anew', async () => {
  const run = resumable();
  await speak(run, 4);
  sockets[0].receive('speech.started', { segment: 0, begin_ms: 0, seq: 3 });
  sockets[0].lose();
  await speak(run, 1);
  pass(1000);
  assert.equal(sockets[1].url, 'ws://x/ws?resume=T%3F%26&after=3');
  sockets[1].receive('session.resumed', { after: 3, received_bytes: 960 + 100, received_messages: 1, seq: 3 });
  await settle();
  assert.deepEqual(sockets[1].sent.map((piece) => [piece[0], piece.length]), [[1, 430], [2, 480], [3, 480], [0, 480]]);
  assert.deepEqual(run.phases().at(-1), 'listening');
  assert.equal(run.types().filter((type) => type === 'session.opened').length, 1);
  sockets[1].receive('speech.started', { segment: 0, begin_ms: 0, seq: 3 });
  sockets[1].receive('final', { segment: 0, begin_ms: 0, end_ms: 90, seq: 4 });
  assert.deepEqual(run.types().slice(-1), ['final']);
  assert.equal(run.types().filter((type) => type === 'speech.started').length, 1);
});

test('messages that the server lacks are said again, but no keepalive', async () => {
  const run = resumable();
  run.connection.configure({ language: 'ja' });
  now += 11_000;
  sockets[0].receive('heartbeat', { processed_ms: 0, seq: 3 });
  run.connection.push();
  assert.deepEqual(sockets[0].sent.at(-1), { type: 'keepalive' });
  run.connection.finish();
  await settle();
  sockets[0].lose();
  run.connection.configure({ language: 'ko' });
  pass(1000);
  sockets[1].receive('session.resumed', { received_bytes: 0, received_messages: 1, seq: 3 });
  await settle();
  assert.deepEqual(sockets[1].sent, [{ type: 'configure', language: 'ja' }, { type: 'configure', language: 'ko' }, { type: 'stop' }]);
  assert.equal(run.phases().at(-1), 'finishing');
});

test('a stop that the server has is not said again', async () => {
  const run = resumable();
  run.connection.finish();
  await settle();
  sockets[0].lose();
  pass(1000);
  sockets[1].receive('session.resumed', { received_bytes: 0, received_messages: 2, seq: 2 });
  sockets[1].receive('closed', { reason: 'stop', totals: {}, seq: 3 });
  await settle();
  assert.deepEqual([sockets[1].sent, run.phases().at(-1)], [[], 'stopped']);
});

test('a file goes on from the very byte', async () => {
  const run = resumable(new FileSource(new Blob([new Uint8Array(70_000)]), 0));
  for (let i = 0; i < 20; i += 1) await settle();
  sockets[0].lose();
  pass(1000);
  sockets[1].receive('session.resumed', { received_bytes: 32768, received_messages: 1, seq: 2 });
  for (let i = 0; i < 20; i += 1) await settle();
  assert.deepEqual(sockets[1].sent.slice(0, -1).map((piece) => piece.byteLength), [32768, 4464]);
  assert.deepEqual(sockets[1].sent.at(-1), { type: 'stop' });
  run.connection.abandon();
});

test('where the server answers and does not let us back in, a new session begins at once with what is unanswered', async () => {
  const run = resumable(new MicrophoneSource(0), { isUp: async (url) => url === 'ws://x/ws' });
  await speak(run, 2);
  sockets[0].lose();
  pass(1000);
  sockets[1].lose(); // HTTP 410, which a browser does not tell
  await settle();
  assert.deepEqual(sockets.slice(1).map(({ url }) => url), ['ws://x/ws?resume=T%3F%26&after=2', 'ws://x/ws']);
  sockets[2].greet();
  await settle();
  assert.deepEqual(audioOf(sockets[2]), [0, 1]);
});

test('while nothing answers it tries to go on for as long as the server waits, and then begins anew', async () => {
  const run = resumable();
  sockets[0].lose();
  for (let i = 0; i < 45; i += 1) {
    pass(1000);
    if (sockets.at(-1).readyState === 1) sockets.at(-1).lose();
    await settle();
  }
  const urls = sockets.slice(1).map(({ url }) => url);
  assert.ok(urls.filter((url) => url.includes('resume')).length >= 3);
  assert.equal(urls.at(-1), 'ws://x/ws');
  run.connection.abandon();
});

test('a socket that was lost is left alone until the next one is in use: closing it would end the session', async () => {
  const run = resumable();
  pass(13_000);
  assert.equal(sockets[0].readyState, 1);
  pass(1000);
  sockets[1].receive('session.resumed', { received_bytes: 0, received_messages: 1, seq: 2 });
  assert.equal(sockets[0].readyState, 3);
  run.connection.abandon();
  assert.equal(sockets[1].readyState, 3);
});

test('a session that the server itself has ended is not asked for again', async () => {
  const run = resumable();
  sockets[0].receive('closed', { reason: 'going_away', totals: {}, seq: 3 });
  sockets[0].lose(1001);
  pass(1000);
  assert.equal(sockets[1].url, 'ws://x/ws');
  run.connection.abandon();
});

test('audio that was given up while the server was away cannot be skipped in the same session', async () => {
  const run = resumable(new MicrophoneSource(0, new Backlog(480 * 2)));
  sockets[0].lose();
  await speak(run, 3);
  pass(1000);
  sockets[1].receive('session.resumed', { received_bytes: 0, received_messages: 1, seq: 2 });
  pass(1000);
  assert.equal(sockets[2].url, 'ws://x/ws');
  run.connection.abandon();
});
