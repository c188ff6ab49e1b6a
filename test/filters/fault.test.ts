import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../core/builtins/builtin.ts';
import { createBuiltinMemory } from '../../core/builtins/builtins.ts';
import { faultConfig, fault as room } from '../../core/builtins/fault/fault.ts';
import type { HTTPFaultInjection } from '../../core/config/schemas/http-actions.ts';
import type { HttpFilter, Verdict } from '../../core/exchange/filter.ts';
import { Head } from '../../core/http/head.ts';
import { Timers } from '../../core/timers.ts';
import { createSharedMemory } from '../../core/wasm/shared/shared-memory.ts';
import { plain, TestStream } from '../core/wasm/harness.ts';
import { builtin, builtinRuntime, type ShardOptions } from './builtin.ts';

const fault = await builtin('fault');

const ALWAYS = { percentage: { value: 100 } };

interface Outcome {
  readonly verdict: Verdict;
  readonly stream: TestStream;
  readonly filter: HttpFilter;
}

/** Sends one request through the filter with this route's fault. */
function send(spec: HTTPFaultInjection | null, options: ShardOptions = {}, head?: Head): Outcome {
  const { runtime } = builtinRuntime(options);
  const stream = new TestStream(head);
  const filter = fault(runtime).open(stream, spec === null ? null : faultConfig(spec));
  return { verdict: filter.head('request', stream.requestHead, true), stream, filter };
}

test('a route without a fault is not touched', () => {
  const { verdict, stream } = send(null);
  assert.equal(verdict, 'continue');
  assert.deepEqual([stream.replies, stream.delays, stream.flags], [[], [], []]);
});

test('an abort answers with its status, a body and details that people know, and the flag FI', () => {
  const { verdict, stream } = send({ abort: { httpStatus: 418, ...ALWAYS } });
  assert.equal(verdict, 'pause');
  const [{ status, details, body, grpcStatus }] = stream.replies;
  assert.deepEqual({ status, details, grpcStatus }, { status: 418, details: 'fault_filter_abort', grpcStatus: -1 });
  assert.equal(Buffer.from(body).toString(), 'fault filter abort');
  assert.deepEqual(stream.flags, ['FI']);
});

test('a delay pauses the request, has it resumed after its time, and sets the flag DI', () => {
  const { verdict, stream } = send({ delay: { fixedDelay: '7s', ...ALWAYS } });
  assert.equal(verdict, 'pause');
  assert.deepEqual(stream.delays, [7000]);
  assert.deepEqual(stream.flags, ['DI']);
  assert.equal(stream.replies.length, 0);
});

test('with both, the abort comes when the delay is over', () => {
  let now = 0;
  const timers = new Timers(20, () => now);
  const { verdict, stream } = send(
    { delay: { fixedDelay: '2s', ...ALWAYS }, abort: { httpStatus: 500, ...ALWAYS } },
    { timers },
  );
  assert.equal(verdict, 'pause');
  now = 1900;
  timers.advance();
  assert.equal(stream.replies.length, 0);
  now = 2100;
  timers.advance();
  timers.stop();
  assert.equal(stream.replies[0].status, 500);
  assert.deepEqual(stream.flags, ['DI', 'FI']);
  assert.deepEqual(stream.delays, []);
});

test('an exchange that ends during the delay is not aborted any more', () => {
  let now = 0;
  const timers = new Timers(20, () => now);
  const spec = { delay: { fixedDelay: '2s', ...ALWAYS }, abort: { httpStatus: 500, ...ALWAYS } };
  const { stream, filter } = send(spec, { timers });
  filter.done();
  now = 5000;
  timers.advance();
  timers.stop();
  assert.equal(stream.replies.length, 0);
});

test('a gRPC status is answered as gRPC to a gRPC client, and as its HTTP status to others', () => {
  const abort = { abort: { grpcStatus: 'UNAVAILABLE', ...ALWAYS } };
  const grpc = Head.request('POST', 'ratings', '/S/M', [['content-type', 'application/grpc']]);
  assert.equal(send(abort, {}, grpc).stream.replies[0].grpcStatus, 14);
  const { status, grpcStatus } = send(abort).stream.replies[0];
  assert.deepEqual([status, grpcStatus], [503, -1]);
});

test('an HTTP status is answered to a gRPC client as the gRPC status that it stands for', () => {
  const grpc = (): Head => Head.request('POST', 'ratings', '/S/M', [['content-type', 'application/grpc+proto']]);
  for (const [http, expected] of [
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [429, 14],
    [503, 14],
    [500, 2],
  ] as const) {
    const [{ status, grpcStatus }] = send({ abort: { httpStatus: http, ...ALWAYS } }, {}, grpc()).stream.replies;
    assert.deepEqual([status, grpcStatus], [200, expected], String(http));
  }
});

test('as in Istio, a fault without a percentage is never injected', () => {
  const { verdict, stream } = send({ delay: { fixedDelay: '1s' }, abort: { httpStatus: 500 } });
  assert.equal(verdict, 'continue');
  assert.deepEqual(stream.flags, []);
});

test('the old whole-number percent of a delay still counts', () => {
  assert.deepEqual(send({ delay: { fixedDelay: '1s', percent: 100 } }).stream.delays, [1000]);
  assert.deepEqual(send({ delay: { fixedDelay: '1s', percent: 0 } }).stream.delays, []);
});

test('percentages are kept to a ten-thousandth of a percent', () => {
  const chance = (value: number): number =>
    Buffer.from(faultConfig({ abort: { httpStatus: 500, percentage: { value } } }).bytes).readUInt32LE(10);
  assert.deepEqual([0.0001, 0.01, 33.3333, 100].map(chance), [1, 100, 333_333, 1_000_000]);
});

test('a fault of 30 percent strikes about 30 of 100 requests, the same ones for the same seed', () => {
  const strikes = (seed: number): string => {
    const { runtime } = builtinRuntime({ random: (bytes) => void bytes.fill(seed) });
    const factory = fault(runtime);
    const config = faultConfig({ abort: { httpStatus: 500, percentage: { value: 30 } } });
    let pattern = '';
    for (let i = 0; i < 10_000; i++) {
      const stream = new TestStream();
      const filter = factory.open(stream, config);
      filter.head('request', stream.requestHead, true);
      filter.done();
      pattern += stream.replies.length;
    }
    return pattern;
  };
  const first = strikes(7);
  assert.equal(first, strikes(7));
  assert.notEqual(first, strikes(8));
  const struck = first.replaceAll('0', '').length;
  assert.ok(struck > 2800 && struck < 3200, `${struck} of 10000`);
});

test('delay and abort are drawn independently', () => {
  const { runtime } = builtinRuntime({ random: (bytes) => void bytes.fill(3) });
  const factory = fault(runtime);
  const half = { percentage: { value: 50 } };
  const config = faultConfig({ delay: { fixedDelay: '1s', ...half }, abort: { httpStatus: 500, ...half } });
  const seen = new Map<string, number>();
  for (let i = 0; i < 2000; i++) {
    const stream = new TestStream();
    const filter = factory.open(stream, config);
    filter.head('request', stream.requestHead, true);
    const delayed = stream.flags.includes('DI');
    // A request that is delayed and then aborted is not resumed by itself.
    const aborted = stream.replies.length > 0 || (delayed && stream.delays.length === 0);
    const key = `${delayed} ${aborted}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    filter.done();
  }
  assert.equal(seen.size, 4);
  for (const [key, count] of seen) assert.ok(count > 400 && count < 600, `${key}: ${count}`);
  runtime.stop();
});

test('bytes that are no configuration of this version inject nothing', () => {
  const { runtime } = builtinRuntime();
  for (const config of [new Uint8Array(0), Uint8Array.of(2, 255, 255), new Uint8Array(21).fill(255)]) {
    const stream = new TestStream();
    assert.equal(fault(runtime).open(stream, plain(config)).head('request', stream.requestHead, true), 'continue');
  }
});

/** Requests through a filter that a FilterChain inserted. */
function inserted(config: JsonObject, options: ShardOptions = {}) {
  const { runtime } = builtinRuntime(options);
  const factory = fault(runtime, room.inserted.configure(config));
  const request = (...fields: [string, string][]): Outcome => {
    const stream = new TestStream(Head.request('GET', 'ratings', '/', fields));
    const filter = factory.open(stream, null);
    return { verdict: filter.head('request', stream.requestHead, true), stream, filter };
  };
  return { runtime, request };
}

const DELAY = 'x-envoy-fault-delay-request';
const ABORT = 'x-envoy-fault-abort-request';
const ABORT_GRPC = 'x-envoy-fault-abort-grpc-request';

test('where headers may say so, a request brings its own delay and abort', () => {
  const { request } = inserted({ delay: { header: true }, abort: { header: true } });
  assert.equal(request().verdict, 'continue');
  assert.deepEqual(request([DELAY, '1500']).stream.delays, [1500]);
  const [reply] = request([ABORT, '418']).stream.replies;
  assert.deepEqual([reply.status, reply.details], [418, 'fault_filter_abort']);
  assert.deepEqual(request([ABORT, '418']).stream.flags, ['FI']);
  const grpc = request([ABORT_GRPC, '8'], ['content-type', 'application/grpc']).stream.replies[0];
  assert.equal(grpc.grpcStatus, 8);
  assert.equal(request([ABORT_GRPC, '8']).stream.replies[0].status, 429);
  // Of both, the HTTP status.
  assert.equal(request([ABORT, '503'], [ABORT_GRPC, '5']).stream.replies[0].status, 503);
});

test('a header’s delay and abort come one after the other', () => {
  let now = 0;
  const timers = new Timers(20, () => now);
  const { request } = inserted({ delay: { header: true }, abort: { header: true } }, { timers });
  const { stream } = request([DELAY, '100'], [ABORT, '500']);
  assert.equal(stream.replies.length, 0);
  now = 200;
  timers.advance();
  timers.stop();
  assert.equal(stream.replies[0].status, 500);
  assert.deepEqual(stream.flags, ['DI', 'FI']);
});

test('headers that say nothing possible, or that nobody asked for, inject nothing', () => {
  const { request } = inserted({ delay: { header: true }, abort: { header: true } });
  for (const [name, value] of [
    [DELAY, '0'],
    [DELAY, '-5'],
    [DELAY, 'soon'],
    [DELAY, '1.5'],
    [ABORT, '199'],
    [ABORT, '600'],
    [ABORT, ''],
    [ABORT, '5000000000'],
    [ABORT_GRPC, '17'],
    [ABORT_GRPC, '-1'],
  ] as [string, string][]) {
    assert.equal(request([name, value]).verdict, 'continue', `${name}: ${value}`);
  }
  const all: [string, string][] = [
    [DELAY, '5'],
    [ABORT, '500'],
    [ABORT_GRPC, '5'],
  ];
  assert.equal(inserted({ delay: { header: true } }).request([ABORT, '500']).verdict, 'continue');
  assert.deepEqual(inserted({ abort: { httpStatus: 418 } }).request(...all).stream.replies[0].status, 418);
  const head = Head.request('GET', 'ratings', '/', all);
  assert.equal(send({ abort: { httpStatus: 418 } }, {}, head).verdict, 'continue');
});

test('a header’s percentage makes a fault rarer than it is configured, never more frequent', () => {
  const struck = (configured: number, ...header: [string, string][]): number => {
    const abort = { header: true, percentage: { value: configured } };
    const { request } = inserted({ abort }, { random: (bytes) => void bytes.fill(5) });
    let count = 0;
    for (let i = 0; i < 2000; i++) count += request([ABORT, '500'], ...header).stream.replies.length;
    return count;
  };
  const percentage = 'x-envoy-fault-abort-request-percentage';
  const near = (count: number, percent: number): void => assert.ok(Math.abs(count - percent * 20) < 150, String(count));
  near(struck(50), 50);
  near(struck(50, [percentage, '10']), 10);
  near(struck(50, [percentage, '90']), 50);
  assert.equal(struck(100, [percentage, '0']), 0);
  assert.equal(struck(100, [percentage, '100']), 2000);
  assert.equal(struck(100, [percentage, 'many']), 2000);
  assert.equal(struck(0, [percentage, '100']), 0);
});

test('no more faults are under way than the limit says, in all shards; what is over makes room', () => {
  const proxy = { shared: createSharedMemory(2), memory: createBuiltinMemory(2) };
  const config = { delay: { fixedDelay: '10s' }, maxActiveFaults: 2 };
  const one = inserted(config, { ...proxy, shard: 0 });
  const other = inserted(config, { ...proxy, shard: 1 });
  const first = one.request();
  assert.deepEqual([first.verdict, other.request().verdict], ['pause', 'pause']);
  const third = one.request();
  assert.deepEqual([third.verdict, third.stream.flags], ['continue', []]);
  assert.equal(other.request().verdict, 'continue');
  assert.deepEqual(
    one.runtime.metrics().map(({ name, value }) => `${name} ${value}`),
    ['weft_fault_overflows_total 2'],
  );
  third.filter.done();
  assert.equal(one.request().verdict, 'continue');
  first.filter.done();
  assert.equal(one.request().verdict, 'pause');
  assert.equal(inserted({ ...config, maxActiveFaults: 0 }).request().verdict, 'continue');
});

test('what a FilterChain says wrongly is told in one line', () => {
  const cases: [JsonObject, RegExp][] = [
    [{}, /^a fault needs delay or abort$/],
    [{ delay: {} }, /^\/delay: /],
    [{ delay: { fixedDelay: '5s', header: true } }, /^\/delay/],
    [{ delay: { header: false } }, /^\/delay\/header: write true/],
    [{ abort: { httpStatus: 99 } }, /^\/abort\/httpStatus: /],
    [{ abort: { grpcStatus: 'BROKEN' } }, /^\/abort\/grpcStatus: "BROKEN" is no gRPC status$/],
    [{ abort: { grpcStatus: '17' } }, /^\/abort\/grpcStatus: /],
    [{ abort: { httpStatus: 500, percentage: { value: 101 } } }, /^\/abort\/percentage\/value: /],
    [{ abort: { httpStatus: 500 }, maxActiveFaults: -1 }, /^\/maxActiveFaults: /],
    [{ aborts: {} }, /unknown field/],
  ];
  for (const [config, message] of cases) {
    assert.throws(
      () => room.inserted.configure(config),
      (error: Error) => message.test(error.message) && !error.message.includes('\n'),
      JSON.stringify(config),
    );
  }
});
