// What it costs that a filter runs on a thread of its own: the same filters in the shard (inline) and on a thread of the pool,
// in latency and in CPU of all threads. Run it alone: `node bench/micro/isolation.ts`.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compileFilter, type FilterSource } from '../../asbuild/compile.ts';
import type { FilterFactory } from '../../core/exchange/filter.ts';
import { FilterChain } from '../../core/exchange/filter-chain.ts';
import { FilterManager, type FilterManagerCallbacks } from '../../core/exchange/filter-manager.ts';
import { Head } from '../../core/http/head.ts';
import { Isolation } from '../../core/isolation/isolation.ts';
import { Isolates } from '../../core/threads/filter-threads.ts';
import { Timers } from '../../core/timers.ts';
import { WasmRuntime } from '../../core/wasm/guest/runtime.ts';
import type { PluginSpec } from '../../core/wasm/guest/spec.ts';
import { createSharedMemory } from '../../core/wasm/shared/shared-memory.ts';
import { CONNECTION, NODE, plainSpec } from './request.ts';

const FIXTURES = join(import.meta.dirname, '../../filters/sdk/fixtures');
const REPEATS = 3;
const THREADS = 2;
const EMPTY = new Uint8Array(0);
const FIELDS: readonly (readonly [string, string])[] = [
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0)'],
  ['accept', 'text/html,application/xhtml+xml'],
  ['accept-encoding', 'gzip, deflate, br'],
  ['cookie', 'session=abcdef0123456789'],
  ['x-request-id', '3a3bbd40-7d3e-4c1f-8f34-5ad4b0b4a1c8'],
  ['x-forwarded-for', '127.0.0.1'],
  ['x-do', 'redact'],
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
];
const timers = new Timers();

/** What of an exchange's record a filter may read, and nothing that leaves the chain. */
const OUTSIDE = {
  direction: 'inbound',
  connection: { ...CONNECTION },
  protocol: 'HTTP/1.1',
  startTime: 0,
  requestEndMs: 0,
  responseStartMs: -1,
  durationMs: -1,
  upstreamServiceMs: -1,
  originalPath: null,
  responseHead: null,
  responseTrailers: null,
  requestId: '3a3bbd40-7d3e-4c1f-8f34-5ad4b0b4a1c8',
  bytesReceived: 0,
  bytesSent: 0,
  responseCode: 0,
  responseCodeDetails: '',
  flags: 0,
  routeName: 'default',
  clusterName: 'inbound|9080||',
  upstreamHost: '',
  upstreamLocalAddress: '',
  upstreamTransportFailure: '',
  attempts: 0,
  destinationService: 'reviews.default.svc.cluster.local',
  destinationPort: 9080,
  source: null,
  destination: null,
  sourcePrincipal: '',
  plane: { timers },
  forward() {},
  forwardData() {},
  pauseRequest() {},
  resumeRequest() {},
};

/** One request through the filter; resolves when all of it has passed. */
function request(filter: FilterFactory, body: Buffer | null): Promise<void> {
  return new Promise((resolve) => {
    const head = Head.request('POST', 'reviews:9080', '/reviews/0', FIELDS);
    head.contentLength = body?.length ?? 0;
    const passed = (_: unknown, end: boolean): void => {
      if (!end) return;
      manager.end();
      resolve();
    };
    const exchange = {
      ...OUTSIDE,
      requestHead: head,
      forward: (end: boolean) => passed(null, end),
      forwardData: passed,
    };
    const manager = new FilterManager(exchange as unknown as FilterManagerCallbacks, new FilterChain([filter]));
    manager.head('request', body === null);
    if (body !== null) manager.body('request', body, true);
  });
}

interface Figures {
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

async function run(
  filter: FilterFactory,
  body: Buffer | null,
  concurrency: number,
  requests: number,
): Promise<Figures> {
  const times: number[] = [];
  let left = requests;
  const before = process.cpuUsage();
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const start = performance.now();
      await request(filter, body);
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  const { user, system } = process.cpuUsage(before);
  times.sort((a, b) => a - b);
  const at = (share: number): number => (times[Math.floor(times.length * share)] ?? 0) * 1000;
  return { cpuUs: (user + system) / requests, p50Us: at(0.5), p99Us: at(0.99) };
}

async function specOf(source: FilterSource, isolation: PluginSpec['isolation']): Promise<PluginSpec> {
  const bytes = await compileFilter(source);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const module = new WebAssembly.Module(bytes);
  return { ...plainSpec({ name: 'bench', digest, module, configuration: EMPTY }), builtin: null, isolation };
}

const shared = createSharedMemory(1 + THREADS);
const log = (): void => undefined;
const runtime = new WasmRuntime({ node: NODE, shared, shard: 0, timers, log });
const isolates = new Isolates({
  threads: THREADS,
  deadlineMs: 10_000,
  node: NODE,
  shared,
  firstSlot: 1,
  logLevel: () => 'info',
  log,
  restarted: () => undefined,
  died: () => undefined,
});
const isolation = new Isolation({
  threads: THREADS,
  connect: (thread, port) => isolates.connect(thread, port),
  upstreams: { find: () => null },
  log,
});

const header: FilterSource = { name: 'three headers', entry: join(FIXTURES, 'three-headers.ts'), runtime: 'stub' };
const redact: FilterSource = { name: 'redact', entry: join(FIXTURES, 'labour.ts'), runtime: 'minimal' };
const cases = [
  { name: 'a header filter', source: header, body: null, requests: 20_000 },
  { name: 'a body of 10 KiB redacted', source: redact, body: Buffer.alloc(10 << 10, 'call 112 '), requests: 5_000 },
  { name: 'a body of 256 KiB redacted', source: redact, body: Buffer.alloc(256 << 10, 'call 112 '), requests: 400 },
] as const;

process.stdout.write(`${''.padEnd(40)} CPU µs   p50 µs   p99 µs\n`);
for (const { name, source, body, requests } of cases) {
  for (const where of ['inline', 'pool'] as const) {
    const spec = await specOf(source, where);
    const filter = where === 'pool' ? isolation.configure(spec) : runtime.configure(spec);
    for (const concurrency of [1, 32]) {
      await run(filter, body, concurrency, requests);
      const runs: Figures[] = [];
      for (let i = 0; i < REPEATS; i++) runs.push(await run(filter, body, concurrency, requests));
      const best = runs.reduce((a, b) => (b.cpuUs < a.cpuUs ? b : a));
      const title = `${name}, ${where}, ${concurrency} at a time`;
      const figures = [best.cpuUs, best.p50Us, best.p99Us].map((figure) => figure.toFixed(1).padStart(8)).join(' ');
      process.stdout.write(`${title.padEnd(40)} ${figures}\n`);
    }
  }
}
isolation.stop();
await isolates.stop();
runtime.stop();
timers.stop();
