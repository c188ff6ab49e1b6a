import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startRig } from './harness.ts';

describe('the host that a request names', () => {
  it("may be loopback's names and addresses and the one it listens on, with any port", async (t) => {
    const { get } = await startRig(t, '127.9.9.9');
    for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:15000', '127.9.9.9', '[::1]:15000', '127.200.0.1']) {
      assert.equal((await get('/ready', { host })).status, 200, host);
    }
  });

  it('may be the address by which it was reached, when it listens on all', async (t) => {
    const { get } = await startRig(t, '0.0.0.0');
    assert.equal((await get('/ready', { host: '127.0.0.1' })).status, 200);
    assert.equal((await get('/ready', { host: 'localhost' })).status, 200);
    assert.equal((await get('/ready', { host: '192.0.2.1' })).status, 403);
  });

  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example:15000',
    '10.0.0.1',
    '127.0.0.1@evil.example',
    '0x7f.1',
  ]) {
    it(`may not be another, to which a name could be pointed: ${JSON.stringify(host)}`, async (t) => {
      const { proxy, ask, get } = await startRig(t);
      const { status, body } = await get('/config_dump', { host });
      assert.equal(status, 403);
      assert.match(body, /^the host ".*" is not one of this proxy\n$/);
      assert.equal((await ask('POST', '/healthcheck/fail', { host })).status, 403);
      assert.deepEqual(proxy.calls, []);
    });
  }
});

describe('the origin that a browser names', () => {
  it('may be the server itself', async (t) => {
    const { admin, ask, proxy } = await startRig(t);
    const { status } = await ask('POST', '/healthcheck/fail', { origin: admin.url, 'sec-fetch-site': 'same-origin' });
    assert.equal(status, 200);
    assert.deepEqual(proxy.calls, ['fail']);
  });

  for (const origin of ['null', 'http://evil.example', 'http://127.0.0.1:1', 'http://localhost', 'https://127.0.0.1']) {
    it(`may not be another: ${origin}`, async (t) => {
      const { ask, get, proxy } = await startRig(t);
      const { status, body } = await ask('POST', '/quitquitquit', { origin });
      assert.equal(status, 403);
      assert.match(body, /^requests from the origin ".*" are refused\n$/);
      assert.equal((await get('/config_dump', { origin })).status, 403);
      assert.deepEqual(proxy.calls, []);
    });
  }

  it('is taken at its word when it sends only where the request comes from', async (t) => {
    const { ask, get, proxy } = await startRig(t);
    assert.equal((await get('/ready', { 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await ask('POST', '/quitquitquit', { 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await ask('POST', '/quitquitquit', { 'sec-fetch-site': 'same-site' })).status, 403);
    assert.deepEqual(proxy.calls, []);
    // A link on a page of another port of this machine, such as the control plane's.
    assert.equal((await get('/ready', { 'sec-fetch-site': 'same-site' })).status, 200);
    assert.equal((await get('/ready', { 'sec-fetch-site': 'none' })).status, 200);
  });
});

describe('the target', () => {
  it('must be a path', async (t) => {
    const { ask, get } = await startRig(t);
    assert.equal((await get('http://evil.example/ready')).status, 400);
    assert.equal((await ask('OPTIONS', '*')).status, 400);
  });
});
