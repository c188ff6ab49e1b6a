import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ErrorBody, files, type Plane, startDataPlane, virtualService } from './harness.ts';

let plane: Plane;
let host: string;
before(async () => {
  plane = await startDataPlane({ hosts: ['Mesh.Example'] });
  host = new URL(plane.control.url).host;
});
after(() => plane.stop());

const apply = (headers: Record<string, string>) =>
  plane.call<ErrorBody>('POST', '/v1/apply', files(virtualService('a')), { headers });

describe('the token', () => {
  it('is made once, long, and readable by its owner only', async () => {
    const file = join(plane.mesh.stateDir, 'control', 'token');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.ok(plane.control.token.length >= 40);
    const other = await plane.another();
    assert.equal(other.token, plane.control.token);
  });

  it('is needed for everything that is not public', async () => {
    for (const authorization of [
      '',
      'Bearer wrong',
      `Basic ${plane.control.token}`,
      `Bearer ${plane.control.token}x`,
    ]) {
      for (const [method, path] of [
        ['POST', '/v1/apply'],
        ['POST', '/v1/delete'],
        ['POST', '/v1/rollback'],
        ['POST', '/v1/diff'],
        ['GET', '/v1/resources'],
        ['GET', '/v1/revisions'],
        ['GET', '/v1/proxies'],
        ['GET', '/v1/nothing'],
        ['GET', '//v1/resources'],
        ['GET', '/v1/version/../resources'],
        ['DELETE', '/v1/resources'],
      ]) {
        const { status, body, headers } = await plane.call<ErrorBody>(method, path, undefined, {
          headers: { authorization },
        });
        assert.equal(status, 401, `${method} ${path}`);
        assert.match(body.error, /send "Authorization: Bearer TOKEN"/);
        assert.equal(headers['www-authenticate'], 'Bearer realm="weft"');
      }
    }
    for (const path of ['/v1/version', '/ready', '/docs', '/docs/json']) {
      assert.equal((await plane.call('GET', path, undefined, { headers: { authorization: '' } })).status, 200, path);
      assert.equal((await plane.call('POST', path, {}, { headers: { authorization: '' } })).status, 405, path);
    }
  });

  it('is never logged or answered', async () => {
    await apply({});
    const { token } = plane.control;
    const { seed, keys, signingKey } = plane.mesh.server.credentials.control;
    const answers = await Promise.all(
      ['/v1/version', '/ready', '/docs/json', '/v1/proxies', '/v1/revisions', '/v1/resources'].map((path) =>
        plane.call('GET', path),
      ),
    );
    const said = JSON.stringify([plane.log, answers.map(({ body, headers }) => [body, headers])]);
    for (const secret of [token, seed, signingKey, ...Object.values(keys)]) assert.equal(said.includes(secret), false);
  });
});

describe('where a request comes from', () => {
  it('is refused when its Host is another name, as after DNS rebinding, token or not', async () => {
    for (const name of [
      'evil.example',
      'evil.example:80',
      '127.0.0.1.evil.example',
      '127.0.0.2',
      'localhost@evil',
      '[::2]',
    ]) {
      const { status, body } = await apply({ host: name });
      assert.equal(status, 403, name);
      assert.match(body.error, /is not one of this control plane/);
      assert.equal((await plane.call('GET', '/v1/version', undefined, { headers: { host: name } })).status, 403);
    }
    for (const name of [host, 'localhost', 'LOCALHOST:1', '[::1]:9', 'mesh.example:443']) {
      assert.equal((await apply({ host: name })).status, 200, name);
    }
  });

  it('is refused when it is a page of another origin', async () => {
    for (const origin of [
      'http://evil.example',
      'null',
      'http://127.0.0.1:1',
      'http://localhost',
      'file://',
      `ftp://${host}`,
    ]) {
      const { status, body, headers } = await apply({ origin });
      assert.equal(status, 403, origin);
      assert.match(body.error, /origin/);
      assert.equal(headers['access-control-allow-origin'], undefined);
    }
    assert.equal((await apply({ 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await apply({ origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).status, 200);
    assert.equal((await apply({ host: 'mesh.example', origin: 'https://mesh.example' })).status, 200);
  });

  it('is answered so that no page can frame, sniff or keep it', async () => {
    const { headers } = await plane.call('GET', '/v1/resources');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['cache-control'], 'no-store');
  });
});
