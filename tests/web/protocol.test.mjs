/** The wire as the page reads and writes it. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { decode, encodeConfigure, encodeKeepalive, encodeStart, encodeStop } from '../../web_client/protocol.js';

test('what is sent is one JSON object with a type', () => {
  assert.equal(encodeStart({ format: 'container', language: 'ja' }), '{"type":"start","format":"container","language":"ja"}');
  assert.equal(encodeConfigure({ language: 'en' }), '{"type":"configure","language":"en"}');
  assert.equal(encodeKeepalive(), '{"type":"keepalive"}');
  assert.equal(encodeStop(), '{"type":"stop"}');
});

test('every message of the protocol is read, with the wire’s own names', () => {
  const types = ['session.created', 'session.resumed', 'session.configured', 'speech.started', 'partial', 'speech.ended', 'final', 'sound', 'flushed',
    'heartbeat', 'warning', 'error', 'closed'];
  for (const type of types) assert.equal(decode(JSON.stringify({ type, begin_ms: 7 })).begin_ms, 7);
});

test('fields that the page relies on are there even when a server leaves them out', () => {
  assert.deepEqual(decode('{"type":"final","segment":1}').words, []);
  assert.deepEqual(decode('{"type":"partial","segment":1}').events, []);
  assert.equal(decode('{"type":"error","message":"x"}').segment, null);
  assert.deepEqual(decode('{"type":"session.created"}').capabilities, { languages: [] });
});

test('unknown types and what is no JSON are ignored, and logged for developers', () => {
  const debug = mock.method(console, 'debug', () => {});
  for (const text of ['{"type":"later.version"}', '{"no":"type"}', 'null', '17', '{']) assert.equal(decode(text), null);
  assert.equal(debug.mock.callCount(), 5);
  debug.mock.restore();
});
