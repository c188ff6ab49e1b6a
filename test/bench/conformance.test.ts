import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { effects } from '../../bench/conformance/effects.ts';
import { type Observation, type Seen, Upstream } from '../../bench/conformance/exchange.ts';

const seen = (first: string, headers: Seen['headers'], body = ''): Seen => ({ first, headers, body, trailers: [] });
const plain: Observation = {
  request: seen('GET /', [
    ['host', 'a'],
    ['x-gone', '1'],
  ]),
  answer: seen('200', [['date', 'Mon']], 'hello'),
};

suite('the effects of a filter', () => {
  test('are what an exchange without it does not have, but for what no two exchanges share', () => {
    assert.deepEqual(effects(plain, plain), []);
    const answer = seen(
      '200',
      [
        ['date', 'Tue'],
        ['server', 'weft'],
      ],
      'hello',
    );
    assert.deepEqual(effects(plain, { ...plain, answer }), []);
  });

  test('are headers that came, changed and went, another path, another body', () => {
    const filtered: Observation = {
      request: seen('GET /moved', [
        ['x-new', '1'],
        ['host', 'a'],
        ['x-new', '2'],
      ]),
      answer: { ...seen('201', [['etag', 'x']], 'HELLO'), trailers: [['x-sum', '2']] },
    };
    assert.deepEqual(effects(plain, filtered), [
      'answer body: "HELLO"',
      'answer header etag: ["x"]',
      'answer trailer x-sum: ["2"]',
      'answer: 201',
      'request header x-gone: removed',
      'request header x-new: ["1","2"]',
      'request: GET /moved',
    ]);
  });

  test('are all of an answer that the filter gives itself', () => {
    const filtered: Observation = {
      request: null,
      answer: seen(
        '200',
        [
          ['server', 'envoy'],
          ['x', '1'],
        ],
        'hello',
      ),
    };
    assert.deepEqual(effects(plain, filtered), [
      'answer body: "hello"',
      'answer header x: ["1"]',
      'answer: 200',
      'request: does not reach the upstream',
    ]);
  });
});

suite('an exchange', () => {
  const upstream = new Upstream();
  let proxy: Server;
  let port: number;

  // Passes on; '/own' it answers itself.
  before(async () => {
    const to = await upstream.listen();
    proxy = createServer((incoming, outgoing) => {
      if (incoming.url === '/own') {
        outgoing.end('own');
        return;
      }
      const { method, url: path, rawHeaders: headers } = incoming;
      const onward = request({ host: '127.0.0.1', port: to, method, path, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.rawHeaders);
        answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    ({ port } = proxy.address() as AddressInfo);
  });
  after(() => {
    proxy.closeAllConnections();
    proxy.close();
    upstream.close();
  });

  test('is observed on both sides of the proxy', async () => {
    const answer = {
      status: 404,
      headers: [
        ['X-A', '1'],
        ['x-a', '2'],
      ] as const,
      body: ['no', 'thing'],
    };
    const { request, answer: got } = await upstream.observe(port, 0, {
      name: 'POST',
      method: 'POST',
      path: '/x',
      headers: [
        ['X-Twice', '1'],
        ['x-twice', '2'],
      ],
      body: ['one ', 'two'],
      answer,
    });
    assert.ok(request !== null);
    assert.deepEqual([request.first, request.body], ['POST /x', 'one two']);
    assert.deepEqual(
      request.headers.filter(([name]) => name === 'x-twice').map(([, value]) => value),
      ['1', '2'],
    );
    assert.deepEqual([got.first, got.body], ['404', 'nothing']);
    assert.deepEqual(
      got.headers.filter(([name]) => name === 'x-a').map(([, value]) => value),
      ['1', '2'],
    );
  });

  test('that the proxy answers has no request behind it', async () => {
    const { request, answer } = await upstream.observe(port, 1, { name: 'own', path: '/own' });
    assert.deepEqual([request, answer.first, answer.body], [null, '200', 'own']);
  });
});
