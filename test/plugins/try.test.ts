import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { type TryOptions, tryModule } from '../../plugins/try.ts';
import { asking, CHECK } from '../core/wasm/asking.ts';
import { env, guest } from '../core/wasm/guests.ts';
import { fixtureFilter } from '../filters/fixture.ts';
import { busy, CONFIGURE, denying, filter, REQUEST_BODY, REQUEST_HEADERS, RESPONSE_HEADERS } from './wat.ts';

const LIMITER = 'limiter.default.svc.cluster.local';
const EMPTY = Buffer.alloc(0);

function options(changes: Partial<TryOptions> = {}, request = {}, response = {}): TryOptions {
  return {
    name: 'test',
    rootId: '',
    vmId: '',
    kind: undefined,
    configuration: EMPTY,
    vmConfiguration: EMPTY,
    request: {
      method: 'GET',
      authority: 'reviews',
      path: '/reviews/0',
      scheme: 'http',
      headers: [],
      body: EMPTY,
      ...request,
    },
    response: { status: 200, headers: [['x-upstream', 'here']], body: EMPTY, ...response },
    properties: new Map(),
    upstreams: new Map(),
    ...changes,
  };
}

suite('an exchange', () => {
  test('a service that it calls answers what was given, and others are not known', async () => {
    const upstreams = new Map([['authz', { status: 200, headers: [], body: Buffer.from('welcome') }]]);
    const known = await tryModule(asking({ upstream: 'authz' }), options({ upstreams }));
    assert.deepEqual(known.report.request?.headers.at(-1), ['x-verdict', 'welcome']);
    assert.deepEqual([known.held, known.report.local], [false, null]);
    const [call] = known.report.calls.filter(({ name }) => name === 'proxy_http_call');
    assert.deepEqual(call.args.slice(0, 2), ['authz', [...CHECK.slice(0, 3), ['x-asked-by', 'guest']]]);
    const unknown = await tryModule(asking({ upstream: 'other' }), options({ upstreams }));
    assert.equal(unknown.report.local?.status, 500);
    assert.match(unknown.notes.join(), /knows no service or cluster "other"/);
  });

  test('one that it calls over gRPC gives what was given as its message, and says that it is well', async () => {
    const upstreams = new Map([[LIMITER, { status: 200, headers: [], body: Buffer.from('welcome') }]]);
    const known = await tryModule(await fixtureFilter('fixtures/asks-grpc.ts'), options({ upstreams }));
    assert.deepEqual(known.report.request?.headers.at(-1), ['x-verdict', 'welcome']);
    const refusing = new Map([[LIMITER, { status: 200, headers: [['grpc-status', '7']], body: EMPTY }]] as const);
    const refused = await tryModule(await fixtureFilter('fixtures/asks-grpc.ts'), options({ upstreams: refusing }));
    assert.equal(refused.report.local?.status, 403);
  });

  test('everything that a filter does is told', async () => {
    const { report, kind, held } = await tryModule(
      busy(),
      options({ properties: new Map([['source.address', Buffer.from('10.0.0.1:4000')]]) }),
    );
    assert.deepEqual(
      { ...report, calls: report.calls.map(({ name }) => name) },
      {
        accepted: true,
        refusal: null,
        abi: '0.2.1',
        trap: null,
        actions: [
          { callback: 'proxy_on_request_headers', action: 'continue' },
          { callback: 'proxy_on_response_headers', action: 'continue' },
        ],
        request: {
          headers: [
            [':authority', 'reviews'],
            [':path', '/reviews/0'],
            [':method', 'GET'],
            [':scheme', 'http'],
            ['x-busy', 'yes'],
          ],
          body: '',
        },
        response: {
          status: 200,
          headers: [
            ['x-upstream', 'here'],
            ['x-busy', 'yes'],
            ['content-length', '0'],
          ],
          body: '',
        },
        local: null,
        logs: [
          { level: 'info', message: 'grüß dich' },
          { level: 'warn', message: '10.0.0.1:4000' },
        ],
        metrics: [{ name: 'busy_total', type: 'counter', value: 3 }],
        calls: [
          'proxy_log',
          'proxy_add_header_map_value',
          'proxy_define_metric',
          'proxy_increment_metric',
          'proxy_get_property',
          'proxy_log',
          'proxy_replace_header_map_value',
        ],
        properties: ['source.address'],
        memoryPages: 1,
      },
    );
    assert.deepEqual(report.calls[1].args, [0, 'x-busy', 'yes']);
    assert.deepEqual(report.calls[4].args, ['source.address']);
    assert.equal(kind, 'http');
    assert.equal(held, false);
  });

  test('what is not given as a property is what a proxy would know', async () => {
    const { report } = await tryModule(busy(), options());
    assert.equal(report.logs[1].message, '127.0.0.1:50000');
  });

  test('a local reply is told as the filter gave it, and as the client gets it', async () => {
    const { report } = await tryModule(denying(), options());
    assert.deepEqual(report.local, { status: 403, headers: [['x-a', 'yes']], body: 'no\n' });
    assert.deepEqual(report.actions, [{ callback: 'proxy_on_request_headers', action: 'pause' }]);
    assert.equal(report.response?.status, 403);
    assert.equal(report.response?.body, 'no\n');
    assert.ok(report.response?.headers.some(([name, value]) => name === 'x-a' && value === 'yes'));
    assert.deepEqual(
      report.calls.map(({ name, args }) => [name, args]),
      [['proxy_send_local_response', [403, 'not_today', 'no\n', [['x-a', 'yes']], -1]]],
    );
  });

  test('a body that is replaced arrives replaced, and its length is given up', async () => {
    const bytes = filter(
      `${REQUEST_BODY} (drop (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 0) (local.get $size) (TEXT new))) (i32.const 0))`,
      { texts: { new: 'other' }, imports: [['proxy_set_buffer_bytes', 'i32 i32 i32 i32 i32']] },
    );
    const { report } = await tryModule(bytes, options({}, { method: 'POST', body: Buffer.from('mine') }));
    assert.equal(report.request?.body, 'other');
    assert.deepEqual(report.actions, [{ callback: 'proxy_on_request_body', action: 'continue' }]);
    assert.ok(!report.request?.headers.some(([name]) => name === 'content-length'));
  });

  test('a request that is held and never let go reaches nobody', async () => {
    const { report, held } = await tryModule(filter(`${REQUEST_HEADERS} (i32.const 1))`), options());
    assert.deepEqual(report.actions, [{ callback: 'proxy_on_request_headers', action: 'pause' }]);
    assert.equal(report.response, null);
    assert.equal(held, true);
  });

  test('a request that is held until the next tick goes on', async () => {
    const bytes = filter(
      `(global $stream (mut i32) (i32.const 0))
      ${CONFIGURE} (drop (call $proxy_set_tick_period_milliseconds (i32.const 20))) (i32.const 1))
      ${REQUEST_HEADERS} (global.set $stream (local.get $ctx)) (i32.const 1))
      (func (export "proxy_on_tick") (param i32)
        (drop (call $proxy_set_effective_context (global.get $stream)))
        (drop (call $proxy_continue_stream (i32.const 0))))`,
      {
        imports: [
          ['proxy_set_tick_period_milliseconds', 'i32'],
          ['proxy_set_effective_context', 'i32'],
          ['proxy_continue_stream', 'i32'],
        ],
      },
    );
    const { report, held } = await tryModule(bytes, options());
    assert.equal(held, false);
    assert.equal(report.response?.status, 200);
  });

  test('text is UTF-8, other bytes are one char each', async () => {
    const bytes = filter(`${REQUEST_HEADERS} (i32.const 0))`);
    const send = async (body: Buffer) =>
      (await tryModule(bytes, options({}, { method: 'POST', body }))).report.request?.body;
    assert.equal(await send(Buffer.from('grüß')), 'grüß');
    assert.equal(await send(Buffer.from([0xff, 0x41])), '\xffA');
  });
});

suite('what goes wrong', () => {
  test('a trap is told with its callback, and the client gets 503', async () => {
    const { report } = await tryModule(filter(`${REQUEST_HEADERS} (unreachable))`), options());
    assert.match(report.trap ?? '', /^proxy_on_request_headers: unreachable/);
    assert.equal(report.accepted, true);
    assert.equal(report.response?.status, 503);
    assert.equal(report.local, null);
  });

  test('a trap in the response is told, too', async () => {
    const { report } = await tryModule(filter(`${RESPONSE_HEADERS} (i32.load (i32.const -1)))`), options());
    assert.match(report.trap ?? '', /^proxy_on_response_headers: memory access out of bounds/);
  });

  test('a loop without end stops', async () => {
    const { report } = await tryModule(filter(`${REQUEST_HEADERS} (loop $l (br $l)) (i32.const 0))`), options());
    assert.match(report.trap ?? '', /^proxy_on_request_headers: ran for too long/);
  });

  test('a flood of logs is cut, with a line that says so', async () => {
    const flood = (count: number, length: number, imports: string, call: string): Uint8Array =>
      guest({
        imports,
        pages: '3',
        body: `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (local $i i32)
          (memory.fill (i32.const 4096) (i32.const 97) (i32.const ${length}))
          (i32.store8 (i32.const ${4095 + length}) (i32.const 10))
          (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const ${length}))
          (loop $l (drop ${call})
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const ${count}))))
          (i32.const 0))`,
      });
    const log = env('proxy_log', 'i32 i32 i32');
    const write = '(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))';
    for (const module of [
      flood(15_000, 10, log, '(call $proxy_log (i32.const 2) (i32.const 4096) (i32.const 10))'),
      flood(500, 60_000, log, '(call $proxy_log (i32.const 2) (i32.const 4096) (i32.const 60000))'),
      flood(15_000, 10, write, '(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))'),
    ]) {
      const { report, notes } = await tryModule(module, options());
      assert.equal(report.trap, null);
      assert.equal(report.response?.status, 200);
      assert.ok(JSON.stringify(report).length < 5_000_000);
      assert.match(notes.join('\n'), /^\d+ more lines of its log are not shown/);
    }
  });

  test('a module that logs for ever is stopped', async () => {
    const module = guest({
      imports: env('proxy_log', 'i32 i32 i32'),
      body: `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (loop $l (drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 6))) (br $l)) (unreachable))`,
    });
    const { report, notes } = await tryModule(module, options());
    assert.match(report.trap ?? '', /ran for too long/);
    assert.match(notes.join('\n'), /more calls of the host are not shown/);
  });

  test('a trap at the start is a refusal, with the callback', async () => {
    const { report } = await tryModule(filter(`${CONFIGURE} (unreachable))`), options());
    assert.equal(report.accepted, false);
    assert.match(report.refusal ?? '', /^trapped while starting: unreachable/);
    assert.match(report.trap ?? '', /^proxy_on_configure: /);
    assert.deepEqual([report.request, report.response, report.actions], [null, null, []]);
  });

  test('a configuration that it refuses is a refusal with its own words', async () => {
    const bytes = filter(`${CONFIGURE} (drop (call $proxy_log (i32.const 4) (TEXT why))) (i32.const 0))`, {
      texts: { why: 'no key' },
      imports: [['proxy_log', 'i32 i32 i32']],
    });
    const { report } = await tryModule(bytes, options());
    assert.equal(report.refusal, 'refused its configuration: no key');
    assert.deepEqual(report.logs, [{ level: 'error', message: 'no key' }]);
    assert.equal(report.abi, '0.2.1');
  });
});

suite('the other kinds', () => {
  const echo = filter(
    `(func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
    (func (export "proxy_on_downstream_data") (param $ctx i32) (param $size i32) (param $eos i32) (result i32)
      (drop (call $proxy_set_buffer_bytes (i32.const 2) (i32.const 0) (i32.const 0) (TEXT tag)))
      (i32.const 0))
    (func (export "proxy_on_upstream_data") (param $ctx i32) (param $size i32) (param $eos i32) (result i32)
      (drop (call $proxy_get_buffer_bytes (i32.const 3) (i32.const 0) (local.get $size) (i32.const 64) (i32.const 68)))
      (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68))))
      (drop (call $proxy_continue_stream (i32.const 3)))
      (i32.const 1))
    (func (export "proxy_on_downstream_connection_close") (param i32 i32)
      (drop (call $proxy_log (i32.const 2) (TEXT closed))))`,
    {
      texts: { tag: '>', closed: 'closed' },
      imports: [
        ['proxy_set_buffer_bytes', 'i32 i32 i32 i32 i32'],
        ['proxy_get_buffer_bytes', 'i32 i32 i32 i32 i32'],
        ['proxy_log', 'i32 i32 i32'],
        ['proxy_continue_stream', 'i32'],
      ],
    },
  );

  test('a network filter sees the bytes of both sides, changes them, holds them and lets them go', async () => {
    const { report, kind, held } = await tryModule(
      echo,
      options({}, { body: Buffer.from('ping') }, { body: Buffer.from('pong') }),
    );
    assert.equal(kind, 'network');
    assert.deepEqual(report.actions, [
      { callback: 'proxy_on_new_connection', action: 'continue' },
      { callback: 'proxy_on_downstream_data', action: 'continue' },
      { callback: 'proxy_on_upstream_data', action: 'pause' },
    ]);
    assert.deepEqual(report.request, { headers: [], body: '>ping' });
    assert.deepEqual(report.response, { status: 0, headers: [], body: 'pong' });
    assert.deepEqual(
      report.logs.map(({ message }) => message),
      ['pong', 'closed'],
    );
    assert.equal(held, false);
  });

  test('bytes that a network filter holds do not pass', async () => {
    const holding = filter('(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 1))');
    const { report, held } = await tryModule(holding, options({}, { body: Buffer.from('ping') }));
    assert.equal(report.request?.body, '');
    assert.equal(held, true);
  });

  test('a network filter that traps lets nothing pass', async () => {
    const broken = filter('(func (export "proxy_on_new_connection") (param i32) (result i32) (unreachable))');
    const { report } = await tryModule(broken, options({}, { body: Buffer.from('ping') }));
    assert.match(report.trap ?? '', /^proxy_on_new_connection: unreachable/);
    assert.equal(report.request?.body, '');
  });

  test('one that may be of several kinds and traps as it was tried says what else it may be', async () => {
    // As SDKs make them: every callback is there, and those of another kind panic.
    const all = filter(`(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))
      (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
      (func (export "proxy_on_tick") (param i32))`);
    const guessed = await tryModule(all, options());
    assert.equal(guessed.kind, 'http');
    assert.deepEqual(guessed.others, ['network', 'service']);
    const told = await tryModule(all, options({ kind: 'network' }));
    assert.deepEqual([told.report.trap, told.others], [null, []]);
    const only = filter('(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))');
    assert.deepEqual((await tryModule(only, options())).others, []);
  });

  test('a service is started, and its timer comes once', async () => {
    const service = filter(
      `${CONFIGURE} (drop (call $proxy_set_tick_period_milliseconds (i32.const 60000))) (i32.const 1))
      (func (export "proxy_on_tick") (param i32) (drop (call $proxy_log (i32.const 2) (TEXT tick))))`,
      {
        texts: { tick: 'tick' },
        imports: [
          ['proxy_set_tick_period_milliseconds', 'i32'],
          ['proxy_log', 'i32 i32 i32'],
        ],
      },
    );
    const { report, kind } = await tryModule(service, options());
    assert.equal(kind, 'service');
    assert.deepEqual(report.logs, [{ level: 'info', message: 'tick' }]);
    assert.deepEqual([report.request, report.response], [null, null]);
  });

  test('the older ABIs', async () => {
    for (const abi of ['0.1.0', '0.2.0']) {
      const bytes = filter('(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))', {
        abi: abi.replaceAll('.', '_'),
      });
      const { report } = await tryModule(bytes, options());
      assert.equal(report.abi, abi);
      assert.equal(report.response?.status, 200);
    }
  });
});
