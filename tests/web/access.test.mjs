/** The tab's key: where it comes from, where it goes, and what the server says of it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Access } from '../../web_client/access.js';

function storage() {
  const kept = new Map();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
}

function server(...answers) {
  const asked = [];
  const ask = async (url, options) => {
    asked.push({ url, ...options });
    return { json: async () => answers.shift() };
  };
  return { asked, ask };
}

test('without a key nothing is offered', () => {
  assert.deepEqual(new Access({ url: 'u', storage }).protocols, []);
});

test('a token in the address is taken out of it and kept for the tab', () => {
  const kept = storage();
  const replaced = [];
  const access = new Access({ url: 'u', storage: () => kept });
  access.takeFrom({ hash: '#token=a.b-c_d', pathname: '/', search: '?x=1' }, { replaceState: (...state) => replaced.push(state[2]) });

  assert.deepEqual(access.protocols, ['json', 'streamer-key.a.b-c_d']);
  assert.deepEqual(replaced, ['/?x=1']);
  assert.deepEqual(new Access({ url: 'u', storage: () => kept }).protocols, ['json', 'streamer-key.a.b-c_d']);
});

test('an address without a token stays as it is', () => {
  new Access({ url: 'u', storage }).takeFrom({ hash: '#other' }, { replaceState: () => assert.fail('the address was changed') });
});

test('what cannot be a subprotocol is no key', () => {
  const access = new Access({ url: 'u', storage });

  for (const text of ['', '  ', 'two words', 'a,b', 'ключ']) assert.equal(access.take(text), false);
  assert.equal(access.take(' streamer_abc\n'), true);
  assert.deepEqual(access.protocols, ['json', 'streamer-key.streamer_abc']);
});

test('the server says why one may not come in, and it is asked with the key', async () => {
  const { asked, ask } = server(
    { allowed: false, why: 'send it as …', keyed: true },
    { allowed: false, why: 'the token has expired', keyed: true },
    { allowed: true, why: null, keyed: true },
  );
  const access = new Access({ url: 'http://s/access', ask, storage });

  assert.deepEqual(await access.refusal(), { why: 'This server asks for a key.', keyed: true });
  access.take('k');
  assert.deepEqual(await access.refusal(), { why: 'the token has expired', keyed: true });
  assert.equal(await access.refusal(), null);
  assert.deepEqual(asked.map((request) => request.headers), [{}, { 'X-API-Key': 'k' }, { 'X-API-Key': 'k' }]);
});

test('what no key would help against is said as the server says it', async () => {
  const { ask } = server({ allowed: false, why: 'this server is not known as x', keyed: false });

  assert.deepEqual(await new Access({ url: 'u', ask, storage }).refusal(), { why: 'this server is not known as x', keyed: false });
});

test('a server that cannot be asked is left to the socket', async () => {
  const access = new Access({ url: 'u', storage, ask: async () => { throw new TypeError('no network'); } });

  assert.equal(await access.refusal(), null);
});

test('a browser that remembers nothing still has the key', () => {
  const access = new Access({ url: 'u', storage: () => { throw new Error('SecurityError'); } });
  access.take('k');

  assert.deepEqual(access.protocols, ['json', 'streamer-key.k']);
});
