import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_RETRIES, type RetryPolicy, retryPolicy } from '../../../core/builtins/retry/policy.ts';
import { flagNames } from '../../../core/errors.ts';
import { Attempt } from '../../../core/exchange/attempt.ts';
import { Exchange } from '../../../core/exchange/exchange.ts';
import type { Direction, FilterFactory, FilterStream } from '../../../core/exchange/filter.ts';
import { FilterChain } from '../../../core/exchange/filter-chain.ts';
import { routeReply } from '../../../core/exchange/forward.ts';
import type { ExchangeRecord } from '../../../core/exchange/record.ts';
import type { ExchangeStages } from '../../../core/exchange/stages.ts';
import type { DownstreamStream, UpstreamStream } from '../../../core/http/codec.ts';
import { Head } from '../../../core/http/head.ts';
import type { DirectAction, Route } from '../../../core/router/route.ts';
import type { ListenerContext } from '../../../core/shard/context.ts';
import { Timers } from '../../../core/timers.ts';

/** Routes answer by themselves; what comes from an upstream is given by the tests. */
const STAGES: ExchangeStages<Exchange> = {
  route: () => null,
  upstream: (exchange) => exchange.reply(routeReply(exchange, exchange.route!.action as DirectAction)),
  response: () => {},
  localResponse: () => {},
  ended: (exchange) => exchange.shard.sink.exchangeEnded(exchange, null),
};

/** An exchange between a client that is written down and no upstream. */
function bench() {
  let now = 0;
  const timers = new Timers(10, () => now);
  timers.stop();
  const out: string[] = [];
  const records: ExchangeRecord[] = [];
  const stream = {
    connection: { id: 1, memo: null },
    protocol: 'HTTP/1.1',
    destination: null,
    writeHead: (head: Head, end: boolean) => out.push(`head ${head.status}${end ? ' end' : ''}`),
    writeData: (chunk: Buffer, end: boolean) => {
      out.push(`data ${chunk}${end ? ' end' : ''}`);
      return true;
    },
    pauseReading: () => {},
    resumeReading: () => {},
    reset: () => out.push('reset'),
  };
  const snapshot = { telemetry: null };
  const shard = { timers, snapshot, sink: { exchangeEnded: (record: ExchangeRecord) => records.push(record) } };
  const listener = { shard, spec: { kind: 'outbound' } } as unknown as ListenerContext;
  const head = Head.request('POST', 'a.example', '/');
  const exchange = new Exchange(STAGES, listener, stream as unknown as DownstreamStream, head, true);
  return {
    exchange,
    out,
    records,
    pass(ms: number) {
      now += ms;
      timers.advance();
    },
  };
}

/** A filter that holds every answer back. */
function holding(phase: 'head' | 'body', seen: string[]): { factory: FilterFactory; at(): FilterStream } {
  let stream: FilterStream;
  const factory: FilterFactory = {
    name: 'holding',
    wants: { request: { head: true, body: true }, response: { head: true, body: true } },
    open(opened) {
      stream = opened;
      const hold = (verb: 'head' | 'body') => (direction: Direction) => {
        if (direction === 'request' || verb !== phase) return 'continue';
        seen.push(verb);
        return 'pause';
      };
      return {
        head: hold('head'),
        body: hold('body'),
        trailers: () => 'continue',
        done: () => seen.push('done'),
      };
    },
  };
  return { factory, at: () => stream };
}

function answering(factory: FilterFactory): Route {
  return {
    name: 'r',
    origin: '',
    matches: [],
    responseChanges: null,
    chain: new FilterChain([factory]),
    action: { type: 'direct', status: 200, body: Buffer.from('the answer') },
  };
}

test('a failure while a filter holds the answer back is answered at once, whole, and recorded once', () => {
  const { exchange, out, records, pass } = bench();
  const seen: string[] = [];
  const filter = holding('head', seen);
  exchange.route = answering(filter.factory);
  exchange.enterFilters();
  assert.deepEqual(out, []);
  exchange.startDeadline(1000);
  pass(2000);
  assert.deepEqual(out, ['head 504', 'data upstream request timeout end']);
  assert.deepEqual(
    records.map(({ responseCode, flags }) => [responseCode, flagNames(flags)]),
    [[504, 'UT']],
  );
  assert.deepEqual(seen, ['head', 'done']);
  filter.at().resume('response');
  assert.equal(out.length, 2);
});

test('when the head of the answer is out already, the answer is cut off', () => {
  const { exchange, out, records, pass } = bench();
  const filter = holding('body', []);
  exchange.route = answering(filter.factory);
  exchange.enterFilters();
  exchange.startDeadline(1000);
  pass(2000);
  assert.deepEqual(out, ['head 200', 'reset']);
  assert.equal(records.length, 1);
});

test('a body that went into a connection and was not kept is not sent again without it', () => {
  const { exchange } = bench();
  const repeatable = (body: string, policy: RetryPolicy, protocol = 'http/1.1'): boolean => {
    const cluster = { admit: () => null, protocolFor: () => protocol } as never;
    const attempt = new Attempt(exchange, cluster, policy, body === '');
    attempt.stream = { writeData: () => true } as unknown as UpstreamStream;
    if (body !== '') attempt.data(Buffer.from(body), true);
    return attempt.repeatable;
  };
  const asked = retryPolicy({ attempts: 1, retryOn: 'reset' }, 0);
  assert.equal(repeatable('', DEFAULT_RETRIES), true);
  assert.equal(repeatable('body', DEFAULT_RETRIES), false);
  // A stream among many may be refused after it has got its body.
  assert.equal(repeatable('body', DEFAULT_RETRIES, 'h2'), true);
  assert.equal(repeatable('body', asked), true);
  assert.equal(repeatable('body', { ...asked, replayBytes: 3 }), false);
});
