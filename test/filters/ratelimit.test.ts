import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeToken } from '../../core/builtins/authn/decode.ts';
import { VerifiedToken } from '../../core/builtins/authn/verified.ts';
import { createBuiltinMemory } from '../../core/builtins/builtins.ts';
import { rateLimitConfig } from '../../core/builtins/ratelimit/ratelimit.ts';
import type { RateLimit, RateLimitPolicySpec } from '../../core/config/kinds/rate-limit-policy.ts';
import type { Resource } from '../../core/config/resource.ts';
import type { LocalReply } from '../../core/exchange/filter.ts';
import { FieldName, Head } from '../../core/http/head.ts';
import { Timers } from '../../core/timers.ts';
import { createSharedMemory } from '../../core/wasm/shared/shared-memory.ts';
import type { Node } from '../../core/workload.ts';
import { NODE, plain, TestStream } from '../core/wasm/harness.ts';
import { builtin, builtinRuntime } from './builtin.ts';
import { compact } from './tokens.ts';

const codes: Readonly<Record<string, Awaited<ReturnType<typeof builtin>>>> = {
  ratelimit: await builtin('ratelimit'),
  'ratelimit-answers': await builtin('ratelimit-answers'),
};

interface Request {
  readonly method?: string;
  readonly path?: string;
  readonly fields?: readonly (readonly [string, string])[];
  readonly principal?: string;
  readonly address?: string;
  readonly claims?: Record<string, unknown>;
}

function policy(spec: RateLimitPolicySpec, name = 'p'): Resource<RateLimitPolicySpec> {
  return { apiVersion: 'weft.dev/v1', kind: 'RateLimitPolicy', metadata: { name, namespace: 'default' }, spec };
}

/** Memory that the shards of one proxy share. */
const proxy = () => ({ shared: createSharedMemory(2), memory: createBuiltinMemory(2) });
const shared = proxy();
const HOUR = { per: '1h' };

/** A shard with these limits, and a clock that the test moves. */
function shard(
  limits: RateLimit[] | RateLimitPolicySpec,
  options: { memory?: typeof shared; index?: number; node?: Node } = {},
) {
  let now = 0;
  const timers = new Timers(20, () => now);
  const { memory = proxy(), index = 0, node = NODE } = options;
  const { runtime } = builtinRuntime({ ...memory, shard: index, timers, node });
  const spec = Array.isArray(limits) ? { limits } : limits;
  const configuration = rateLimitConfig([policy(spec)], node);
  assert.ok(configuration);
  const factory = codes[configuration.module](runtime, configuration);
  timers.stop();
  const open = (request: Request = {}): TestStream => {
    const head = Head.request(request.method ?? 'GET', 'reviews', request.path ?? '/reviews/0', request.fields);
    const stream = new TestStream(head, {
      sourcePrincipal: request.principal ?? '',
      connection: {
        id: 1,
        remoteAddress: request.address ?? '127.1.0.2',
        remotePort: 4711,
        localAddress: '127.1.0.3',
        localPort: 9080,
        tls: null,
      },
    });
    if (request.claims !== undefined) {
      const token = decodeToken(compact({ alg: 'ES256' }, request.claims));
      assert.ok(typeof token !== 'string');
      stream.token = new VerifiedToken(token, []);
    }
    const filter = factory.open(stream, null);
    assert.equal(filter.head('request', head, true), stream.replies.length === 0 ? 'continue' : 'pause');
    if (factory.wants.response.head && stream.replies.length === 0) {
      stream.responseHead = Head.response(200);
      filter.head('response', stream.responseHead, true);
    }
    filter.done();
    return stream;
  };
  return {
    stream: open,
    reply: (request?: Request): LocalReply | undefined => open(request).replies[0],
    passes: (request?: Request): boolean => open(request).replies.length === 0,
    pass: (ms: number) => {
      now += ms;
      timers.advance();
    },
    metrics: () => runtime.metrics().map(({ name, value }) => `${name} ${value}`),
  };
}

test('a refused request is answered as Envoy does, with what is left and when to come back', () => {
  const { stream, pass } = shard([{ name: 'all', requests: 2, per: '10s' }]);
  stream();
  stream();
  const { replies, flags } = stream();
  assert.deepEqual(
    { ...replies[0], body: Buffer.from(replies[0].body).toString() },
    {
      status: 429,
      details: 'local_rate_limited',
      body: 'local_rate_limited',
      grpcStatus: -1,
      fields: [
        ['x-envoy-ratelimited', 'true'],
        ['x-ratelimit-limit', '2'],
        ['x-ratelimit-remaining', '0'],
        ['x-ratelimit-reset', '5'],
        ['retry-after', '5'],
      ],
    },
  );
  assert.deepEqual(flags, ['RL']);
  pass(4900);
  assert.equal(stream().replies[0].fields[4][1], '1');
  pass(100);
  assert.equal(stream().replies.length, 0);
  assert.equal(stream().replies.length, 1);
});

const told = (head: Head | null): (string | undefined)[] =>
  ['limit', 'remaining', 'reset'].map((what) => head?.get(new FieldName(`x-ratelimit-${what}`)));

test('every answer tells what is left where a policy wants that, of the limit that is nearest to refusing', () => {
  const limits = [
    { name: 'all', requests: 100, ...HOUR },
    { name: 'few', requests: 2, per: '10s', match: { methods: ['GET'] } },
    { name: 'none', requests: 1, ...HOUR, shadow: true },
  ];
  const { stream } = shard({ limits, enableXRatelimitHeaders: 'DRAFT_VERSION_03' });
  assert.deepEqual(told(stream({ method: 'PUT' }).responseHead), ['100', '99', '0']);
  assert.deepEqual(told(stream().responseHead), ['2', '1', '0']);
  assert.deepEqual(told(stream().responseHead), ['2', '0', '5']);
  const refused = stream();
  assert.equal(refused.responseHead, null);
  assert.deepEqual(
    refused.replies[0].fields.map(([name]) => name),
    ['x-envoy-ratelimited', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'retry-after'],
  );
});

test('an answer to a request that no limit is for tells nothing', () => {
  const limits = [{ name: 'posts', requests: 2, ...HOUR, match: { methods: ['POST'] } }];
  const { stream } = shard({ limits, enableXRatelimitHeaders: 'DRAFT_VERSION_03' });
  assert.deepEqual(told(stream({ method: 'POST' }).responseHead), ['2', '1', '0']);
  assert.deepEqual(told(stream().responseHead), [undefined, undefined, undefined]);
});

test('nobody is told where the policy says so, but for when to come back; answers do not come by the filter at all', () => {
  const { stream } = shard({ limits: [{ name: 'all', requests: 1, per: '10s' }], enableXRatelimitHeaders: 'OFF' });
  assert.equal(stream().responseHead, null);
  assert.deepEqual(stream().replies[0].fields, [
    ['x-envoy-ratelimited', 'true'],
    ['retry-after', '10'],
  ]);
});

test('a gRPC client is told UNAVAILABLE', () => {
  const { reply } = shard([{ name: 'all', requests: 1, ...HOUR }]);
  const call = { method: 'POST', fields: [['content-type', 'application/grpc+proto']] as const };
  assert.equal(reply(call), undefined);
  assert.equal(reply(call)?.grpcStatus, 14);
});

test('burst is what may come at once, requests and per how fast it comes back', () => {
  const { passes, pass } = shard([{ name: 'all', requests: 10, per: '1s', burst: 3 }]);
  const run = (): number => {
    let count = 0;
    while (passes()) count++;
    return count;
  };
  assert.equal(run(), 3);
  pass(200);
  assert.equal(run(), 2);
  pass(60_000);
  assert.equal(run(), 3);
});

test('a rate that is finer than the clock is reached nevertheless', () => {
  const { passes, pass } = shard([{ name: 'all', requests: 1000, per: '1s', burst: 1 }]);
  let count = 0;
  for (let tick = 0; tick < 50; tick++) {
    while (passes()) count++;
    pass(20);
  }
  assert.ok(count >= 1000 && count <= 1020, String(count));
});

test('requests are counted apart by header, path, method, claim, principal and address', () => {
  const cases: [NonNullable<RateLimit['by']>[number], Request[]][] = [
    [
      { header: 'X-User' },
      [{ fields: [['x-user', 'ann']] }, { fields: [['x-user', 'bob']] }, { fields: [['x-user', '']] }, {}],
    ],
    [{ path: true }, [{ path: '/a' }, { path: '/b?x=1' }]],
    [{ method: true }, [{ method: 'GET' }, { method: 'POST' }]],
    [{ claim: 'sub' }, [{ claims: { sub: 'ann' } }, { claims: { sub: 'bob' } }, { claims: {} }]],
    [{ claim: 'org][id' }, [{ claims: { org: { id: 1 } } }, { claims: { org: { id: 2 } } }]],
    [
      { source: 'principal' },
      [{ principal: 'cluster.local/ns/a/sa/x' }, { principal: 'cluster.local/ns/b/sa/x' }, { principal: '' }],
    ],
    [{ source: 'namespace' }, [{ principal: 'cluster.local/ns/a/sa/x' }, { principal: 'cluster.local/ns/b/sa/x' }]],
    [
      { source: 'serviceAccount' },
      [{ principal: 'cluster.local/ns/a/sa/x' }, { principal: 'cluster.local/ns/a/sa/y' }],
    ],
    [{ source: 'ip' }, [{ address: '127.1.0.2' }, { address: '127.1.0.9' }, { address: '::1' }]],
  ];
  for (const [by, requests] of cases) {
    const { passes } = shard([{ name: 'each', requests: 1, ...HOUR, by: [by] }]);
    const told = JSON.stringify(by);
    for (const request of requests) assert.ok(passes(request), `${told} ${JSON.stringify(request)}`);
    for (const request of requests) assert.ok(!passes(request), `${told} again ${JSON.stringify(request)}`);
  }
});

test('what a key does not name makes no difference', () => {
  const { passes } = shard([{ name: 'each', requests: 1, ...HOUR, by: [{ path: true }, { source: 'namespace' }] }]);
  assert.ok(passes({ path: '/a?x=1', principal: 'cluster.local/ns/a/sa/x' }));
  assert.ok(!passes({ path: '/a?x=2', principal: 'cluster.local/ns/a/sa/y', method: 'POST' }));
  assert.ok(passes({ path: '/a', principal: 'cluster.local/ns/b/sa/x' }));
});

test('leaving the counted header out, or sending it in another case, gets nobody around a limit', () => {
  const { passes } = shard([{ name: 'each', requests: 1, ...HOUR, by: [{ header: 'x-user' }] }]);
  assert.ok(passes());
  assert.ok(!passes());
  assert.ok(passes({ fields: [['X-USER', 'ann']] }));
  assert.ok(!passes({ fields: [['x-user', 'ann']] }));
});

test('whom a caller of the mesh speaks for is remoteIp; at a gateway it is the connection', () => {
  const by = [{ source: 'remoteIp' as const }];
  const forwarded = (address: string): Request => ({
    principal: 'cluster.local/ns/istio-system/sa/gateway',
    fields: [['x-forwarded-for', `1.1.1.1, ${address}`]],
  });
  const sidecar = shard([{ name: 'each', requests: 1, ...HOUR, by }]);
  assert.deepEqual([forwarded('9.9.9.1'), forwarded('9.9.9.2'), forwarded('9.9.9.1')].map(sidecar.passes), [
    true,
    true,
    false,
  ]);
  const gateway = shard([{ name: 'each', requests: 1, ...HOUR, by }], { node: { ...NODE, role: 'gateway' } });
  assert.deepEqual([forwarded('9.9.9.1'), forwarded('9.9.9.2')].map(gateway.passes), [true, false]);
});

test('a limit is for the requests that its match names', () => {
  const limited = (match: NonNullable<RateLimit['match']>, request: Request): boolean => {
    const { passes } = shard([{ name: 'some', requests: 1, ...HOUR, match }]);
    return passes(request) && !passes(request);
  };
  const cases: [NonNullable<RateLimit['match']>, Request, boolean][] = [
    [{ methods: ['POST', 'PUT'] }, { method: 'PUT' }, true],
    [{ methods: ['POST', 'PUT'] }, { method: 'GET' }, false],
    [{ path: { exact: '/a' } }, { path: '/a?x' }, true],
    [{ path: { exact: '/a' } }, { path: '/a/b' }, false],
    [{ path: { prefix: '/a' } }, { path: '/a/b' }, true],
    [{ path: { prefix: '/a' } }, { path: '/b/a' }, false],
    [{ path: { regex: '/a/[0-9]+' } }, { path: '/a/12?b' }, true],
    [{ path: { regex: '/a/[0-9]+' } }, { path: '/a/12/b' }, false],
    [{ methods: ['GET'], path: { prefix: '/a' } }, { path: '/b' }, false],
  ];
  for (const [match, request, expected] of cases) {
    assert.equal(limited(match, request), expected, JSON.stringify([match, request]));
  }
});

test('a limit whose expression alone has changed has another configuration', () => {
  const configuration = (regex: string): string => {
    const limits = [{ name: 'some', requests: 1, ...HOUR, match: { path: { regex } } }];
    return Buffer.from(rateLimitConfig([policy({ limits })], NODE)?.bytes ?? []).toString('hex');
  };
  assert.notEqual(configuration('/a'), configuration('/b'));
});

test('what one limit refuses is not held against the others', () => {
  const { passes, reply } = shard([
    { name: 'all', requests: 5, ...HOUR },
    { name: 'each', requests: 1, ...HOUR, by: [{ header: 'x-user' }] },
  ]);
  const from = (user: string): Request => ({ fields: [['x-user', user]] });
  assert.ok(passes(from('greedy')));
  for (let i = 0; i < 20; i++) assert.equal(reply(from('greedy'))?.fields[1][1], '1');
  for (const user of ['a', 'b', 'c', 'd']) assert.ok(passes(from(user)), user);
  assert.equal(reply(from('e'))?.fields[1][1], '5');
});

test('shadow mode counts and lets pass', () => {
  const { passes, metrics } = shard([{ name: 'try "it"', requests: 1, ...HOUR, shadow: true }]);
  assert.deepEqual([passes(), passes(), passes()], [true, true, true]);
  const series = (result: string): string =>
    `weft_rate_limit_requests_total{policy="default/p",limit="try \\"it\\"",result="${result}"}`;
  assert.deepEqual(metrics(), [`${series('ok')} 1`, `${series('shadow_limited')} 2`]);
});

test('shards of a proxy share the buckets and the metrics', () => {
  const limits = [{ name: 'all', requests: 4, ...HOUR }];
  const one = shard(limits, { memory: shared, index: 0 });
  const other = shard(limits, { memory: shared, index: 1 });
  assert.deepEqual(
    [one, other, one, other, one, other].map(({ passes }) => passes()),
    [true, true, true, true, false, false],
  );
  const series = 'weft_rate_limit_requests_total{policy="default/p",limit="all",result=';
  assert.deepEqual(other.metrics(), [`${series}"ok"} 4`, `${series}"limited"} 2`]);
});

test('a new configuration does not refill what was used', () => {
  const memory = proxy();
  assert.ok(shard([{ name: 'all', requests: 1, ...HOUR }], { memory }).passes());
  const changed = shard([{ name: 'all', requests: 1, per: '24h' }], { memory });
  assert.ok(!changed.passes());
  assert.ok(shard([{ name: 'other', requests: 1, ...HOUR }], { memory }).passes());
});

test('while the count cannot be reached, failOpen decides, and it is counted', () => {
  const memory = proxy();
  // Every lock, as shard 1 left it.
  new Int32Array(memory.memory.ratelimit!).fill(2, 4, 4 + 8192);
  const limits = [{ name: 'all', requests: 1, ...HOUR }];
  const open = shard({ limits }, { memory });
  assert.ok(open.passes());
  assert.match(open.metrics().join(), /result="unavailable"\} 1/);
  assert.equal(shard({ limits, failOpen: false }, { memory }).reply()?.status, 429);
});

test('policies apply by their selector, and none is no filter', () => {
  const limits = [{ name: 'all', requests: 1, ...HOUR }];
  assert.ok(rateLimitConfig([policy({ limits, selector: { matchLabels: { app: 'reviews' } } })], NODE));
  assert.equal(rateLimitConfig([policy({ limits, selector: { matchLabels: { app: 'other' } } })], NODE), null);
  assert.equal(rateLimitConfig([], NODE), null);
});

test('only a built-in filter is counted for', () => {
  const { runtime } = builtinRuntime();
  assert.throws(() => codes.ratelimit(runtime, plain(Buffer.alloc(32))), /another version/);
});
