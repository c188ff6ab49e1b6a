import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';

import { reach } from '../../../core/fetch/addresses.ts';
import { type Address, FetchFailed, type FetchOptions, guardedFetch } from '../../../core/fetch/guarded-fetch.ts';

const LOOPBACK: readonly Address[] = [{ address: '127.0.0.1', family: 4 }];
const HERE: FetchOptions = { timeoutMs: 10_000, maxBytes: 1000, allowPrivate: true };

let handler: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
const server = createServer((request, response) => handler(request, response));
let port = 0;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

after(() => {
  server.closeAllConnections();
  server.close();
});

const here = (path = '/keys'): string => `http://127.0.0.1:${port}${path}`;

async function refused(url: string, options: Partial<FetchOptions> = {}): Promise<string> {
  try {
    await guardedFetch(url, { ...HERE, ...options });
  } catch (error) {
    assert.ok(error instanceof FetchFailed, String(error));
    return error.message;
  }
  return assert.fail('it was fetched');
}

test('an answer is given with its status, headers and body', async () => {
  handler = (request, response) => {
    assert.equal(request.headers['accept-encoding'], 'identity');
    response.writeHead(203, { 'x-a': 'b' }).end('keys');
  };
  const { status, headers, body, url } = await guardedFetch(here(), HERE);
  assert.deepEqual([status, headers['x-a'], body.toString(), url], [203, 'b', 'keys', here()]);
});

test('the address that was checked is the one connected to, and the name is looked up once', async () => {
  handler = (request, response) => response.end(request.headers.host);
  const asked: string[] = [];
  const resolve = async (host: string): Promise<readonly Address[]> => {
    asked.push(host);
    return asked.length === 1 ? LOOPBACK : [{ address: '192.0.2.1', family: 4 }];
  };
  const { body } = await guardedFetch(`http://keys.invalid:${port}/`, { ...HERE, resolve });
  assert.equal(body.toString(), `keys.invalid:${port}`);
  assert.deepEqual(asked, ['keys.invalid']);
});

describe('what is refused', () => {
  test('private addresses, however they are written, and names that lead to one beside public ones', async () => {
    const options = { allowPrivate: false };
    for (const host of [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '10.0.0.1',
      '192.168.1.1',
    ]) {
      assert.match(await refused(`http://${host}:${port}/`, options), /is a private address/, host);
    }
    const resolve = async (): Promise<readonly Address[]> => [{ address: '8.8.8.8', family: 4 }, ...LOOPBACK];
    assert.match(await refused('http://keys.invalid/', { ...options, resolve }), /leads to 127\.0\.0\.1/);
  });

  test('the metadata of clouds, even where private addresses are allowed', async () => {
    for (const host of ['169.254.169.254', '[fe80::1]', '[fd00:ec2::254]', '0.0.0.0', '[::ffff:a9fe:a9fe]']) {
      assert.match(await refused(`http://${host}/`), /is never fetched from/, host);
    }
  });

  test('other schemes, credentials, and what is no URL', async () => {
    assert.equal(await refused('file:///etc/passwd'), 'file:///etc/passwd is neither http nor https');
    assert.match(await refused('http://a:b@127.0.0.1/'), /^http:\/\/127\.0\.0\.1\/ carries credentials$/);
    assert.equal(await refused('keys'), '"keys" is no URL');
  });

  test('more bytes than are allowed, announced or not', async () => {
    handler = (_request, response) => response.end('x'.repeat(1001));
    assert.match(await refused(here()), /more than 1000 bytes/);
    handler = (_request, response) => {
      response.write('x'.repeat(600));
      response.end('x'.repeat(600));
    };
    assert.match(await refused(here()), /more than 1000 bytes/);
  });

  test('an answer that comes too late, and the query stays out of the message', async () => {
    handler = (_request, response) => response.write('x');
    assert.equal(
      await refused(here('/a?token=secret'), { timeoutMs: 50 }),
      `${here('/a')} did not answer within 50 ms`,
    );
    const resolve = (): Promise<never> => new Promise(() => undefined);
    assert.match(await refused('http://slow.invalid/', { timeoutMs: 20, resolve }), /did not answer within 20 ms/);
  });

  test('an encoding that was not asked for', async () => {
    handler = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
    assert.match(await refused(here()), /encoding that was not asked for \(gzip\)/);
  });

  test('nobody at home, and a name that nobody has', async () => {
    const resolve = async (): Promise<never> => {
      throw new Error('ENOTFOUND');
    };
    assert.match(await refused('http://nobody.invalid/', { resolve }), /cannot be looked up: ENOTFOUND/);
    assert.match(await refused(`https://127.0.0.1:${port}/`), /^https:\/\/127\.0\.0\.1:\d+\/ cannot be fetched: /);
  });
});

describe('redirects', () => {
  test('are followed, within a number', async () => {
    handler = (request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end('there');
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    };
    const { body, url } = await guardedFetch(here('/3'), HERE);
    assert.deepEqual([body.toString(), url], ['there', here('/0')]);
    assert.match(await refused(here('/4')), /is redirected too often/);
  });

  test('are checked as the first address was', async () => {
    for (const [location, message] of [
      ['http://169.254.169.254/latest', /leads to 169\.254\.169\.254/],
      ['file:///etc/passwd', /neither http nor https/],
    ] as const) {
      handler = (_request, response) => response.writeHead(307, { location }).end();
      assert.match(await refused(here()), message);
    }
  });

  test('take no secret to another origin', async () => {
    const seen: (string | undefined)[] = [];
    handler = (request, response) => {
      seen.push(request.headers.authorization);
      const location = request.url === '/keys' ? '/second' : `http://other.invalid:${port}/third`;
      if (request.url === '/third') response.end();
      else response.writeHead(302, { location }).end();
    };
    const headers = { Authorization: 'Bearer x' };
    await guardedFetch(here(), { ...HERE, headers, resolve: async () => LOOPBACK });
    assert.deepEqual(seen, ['Bearer x', 'Bearer x', undefined]);
  });
});

test('addresses of the open internet are public', () => {
  for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8']) {
    assert.equal(reach(address), 'public', address);
  }
  for (const address of [
    '172.31.255.255',
    '100.64.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fd12::1',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '::ffff:0:8.8.8.8',
    '::ffff:127.0.0.1',
    'fec0::1',
    '100::1',
    '3fff::1',
    '5f00::1',
    '4000::1',
    '::1',
  ]) {
    assert.equal(reach(address), 'private', address);
  }
  assert.equal(reach('name'), 'never');
});
