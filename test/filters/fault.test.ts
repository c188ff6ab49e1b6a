import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultConfig } from '../../core/builtins/fault.ts';
import type { HTTPFaultInjection } from '../../core/config/kinds/http-actions.ts';
import type { HttpFilter, Verdict } from '../../core/filter.ts';
import { Head } from '../../core/head.ts';
import { Timers } from '../../core/timers.ts';
import { runtimeFor, TestStream } from '../core/wasm/harness.ts';
import { builtin } from './builtin.ts';

const fault = await builtin('fault');

const ALWAYS = { percentage: { value: 100 } };

interface Outcome {
  readonly verdict: Verdict;
  readonly stream: TestStream;
  readonly filter: HttpFilter;
}

/** Sends one request through the filter with this route's fault. */
function send(spec: HTTPFaultInjection | null, options: Parameters<typeof runtimeFor>[0] = {}, head?: Head): Outcome {
  const { runtime } = runtimeFor(options);
  const stream = new TestStream(head);
  const filter = fault(runtime).open(stream, spec === null ? null : faultConfig(spec));
  return { verdict: filter.requestHead(stream.requestHead, true), stream, filter };
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
    Buffer.from(faultConfig({ abort: { httpStatus: 500, percentage: { value } } })).readUInt32LE(9);
  assert.deepEqual([0.0001, 0.01, 33.3333, 100].map(chance), [1, 100, 333_333, 1_000_000]);
});

test('a fault of 30 percent strikes about 30 of 100 requests, the same ones for the same seed', () => {
  const strikes = (seed: number): string => {
    const { runtime } = runtimeFor({ random: (bytes) => void bytes.fill(seed) });
    const factory = fault(runtime);
    const config = faultConfig({ abort: { httpStatus: 500, percentage: { value: 30 } } });
    let pattern = '';
    for (let i = 0; i < 10_000; i++) {
      const stream = new TestStream();
      const filter = factory.open(stream, config);
      filter.requestHead(stream.requestHead, true);
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
  const { runtime } = runtimeFor({ random: (bytes) => void bytes.fill(3) });
  const factory = fault(runtime);
  const half = { percentage: { value: 50 } };
  const config = faultConfig({ delay: { fixedDelay: '1s', ...half }, abort: { httpStatus: 500, ...half } });
  const seen = new Map<string, number>();
  for (let i = 0; i < 2000; i++) {
    const stream = new TestStream();
    const filter = factory.open(stream, config);
    filter.requestHead(stream.requestHead, true);
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
  const { runtime } = runtimeFor();
  for (const config of [new Uint8Array(0), Uint8Array.of(2, 255, 255), new Uint8Array(64).fill(255)]) {
    const stream = new TestStream();
    assert.equal(fault(runtime).open(stream, config).requestHead(stream.requestHead, true), 'continue');
  }
});
