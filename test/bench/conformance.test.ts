import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { Callee } from '../../bench/conformance/callee.ts';
import { effects } from '../../bench/conformance/effects.ts';
import { type Observation, type Seen, Upstream } from '../../bench/conformance/exchange.ts';
import { subjectsIn } from '../../bench/conformance/listed.ts';
import { until } from '../until.ts';

const seen = (first: string, headers: Seen['headers'], body = ''): Seen => ({ first, headers, body, trailers: [] });
const plain: Observation = {
  request: seen('GET /', [
    ['host', 'a'],
    ['x-gone', '1'],
  ]),
  answer: seen('200', [['date', 'Mon']], 'hello'),
  calls: [],
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
      calls: [seen('GET /allowed', [['x-a', '1']])],
    };
    assert.deepEqual(effects(plain, filtered), [
      'answer body: "HELLO"',
      'answer header etag: ["x"]',
      'answer trailer x-sum: ["2"]',
      'answer: 201',
      'call body: ""; call header x-a: ["1"]; call: GET /allowed',
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
      calls: [],
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
  const callee = new Callee();
  let calleePort: number;
  let proxy: Server;
  let port: number;

  // Passes on; '/own' it answers itself.
  before(async () => {
    const to = await upstream.listen();
    calleePort = await callee.listen();
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
    callee.close();
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
    const { request, answer: got } = await upstream.observe(
      port,
      0,
      {
        name: 'POST',
        method: 'POST',
        path: '/x',
        headers: [
          ['X-Twice', '1'],
          ['x-twice', '2'],
        ],
        body: ['one ', 'two'],
        answer,
      },
      callee,
    );
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
    const { request, answer } = await upstream.observe(port, 1, { name: 'own', path: '/own' }, callee);
    assert.deepEqual([request, answer.first, answer.body], [null, '200', 'own']);
  });

  test('has the calls that were made meanwhile, answered as its case says', async () => {
    proxy.once('request', () => {
      const call = request({ host: '127.0.0.1', port: calleePort, method: 'PUT', path: '/ask' }, (answer) => {
        answer.resume();
        statuses.push(answer.statusCode);
      });
      call.end('may it?');
    });
    const statuses: (number | undefined)[] = [];
    const one = { name: 'own', path: '/own', called: { status: 403 } };
    const { calls } = await upstream.observe(port, 2, one, callee);
    await until('the call is answered', () => statuses.length > 0);
    const all = [...calls, ...callee.taken()].map(({ first, body }) => `${first} ${body}`);
    assert.deepEqual([all, statuses], [['PUT /ask may it?'], [403]]);
  });
});

suite('a list of modules', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-conformance-test-'));
  after(() => rmSync(folder, { recursive: true }));
  const read = (list: unknown) => {
    const file = join(folder, 'list.json');
    writeFileSync(join(folder, 'a.wasm'), 'bytes');
    writeFileSync(file, JSON.stringify(list));
    return subjectsIn(file);
  };

  test('gives each the usual requests that it names, and its own', () => {
    const own = { name: 'mine', path: '/mine' };
    const [all, some, without] = read([
      { name: 'all', module: 'a.wasm' },
      { name: 'some', module: 'a.wasm', any: ['GET'], requests: [own], clusters: ['b'] },
      { name: 'without', module: 'a.wasm', without: ['GET'] },
    ]);
    assert.equal(Buffer.from(all.bytes).toString(), 'bytes');
    assert.deepEqual([some.cases.map(({ name }) => name), some.clusters], [['GET', 'mine'], ['b']]);
    assert.equal(without.cases.length, all.cases.length - 1);
  });

  for (const [list, problem] of [
    [{}, /not a list/],
    [[{ name: 'a' }], /name and module are required/],
    [[{ name: 'a', module: 'a.wasm', cluster: [] }], /a: unknown field "cluster"/],
    [[{ name: 'a', module: 'a.wasm', any: ['GEM'] }], /a: no usual request is called "GEM"/],
  ] as const) {
    test(`is refused: ${problem.source}`, () => {
      assert.throws(() => read(list), problem);
    });
  }
});
