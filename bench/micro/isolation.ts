// What it costs that a filter runs on a thread of its own: the same filters in the shard (inline) and on a thread of the pool,
// in turns, in CPU of all threads, time to the first byte that passes and to the last. Run it alone:
// `node bench/micro/isolation.ts [WORD]`, of those whose names contain WORD.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compileFilter, type FilterSource } from '../../asbuild/compile.ts';
import type { FilterFactory } from '../../core/exchange/filter.ts';
import { FilterChain } from '../../core/exchange/filter-chain.ts';
import { FilterManager, type FilterManagerCallbacks } from '../../core/exchange/filter-manager.ts';
import { Head } from '../../core/http/head.ts';
import { Isolation } from '../../core/isolation/isolation.ts';
import { FilterThreads } from '../../core/threads/filter-threads.ts';
import { Timers } from '../../core/timers.ts';
import { WasmRuntime } from '../../core/wasm/guest/runtime.ts';
import type { PluginSpec } from '../../core/wasm/guest/spec.ts';
import { createSharedMemory } from '../../core/wasm/shared/shared-memory.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { CONNECTION, NODE, plainSpec } from './request.ts';

tellUsage(
  'node bench/micro/isolation.ts [WORD]: filters inline and on threads of their own, of those whose names contain WORD',
);

const FIXTURES = join(import.meta.dirname, '../../filters/sdk/fixtures');
const ROUNDS = 7;
const THREADS = 2;
const EMPTY = Buffer.alloc(0);
/** As a socket is read. */
const PIECE = 64 << 10;
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
  virtualHostName: 'inbound|http|9080',
  routeName: 'default',
  clusterName: 'inbound|9080||',
  clusterEndpoints: 1,
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
};

interface Case {
  readonly name: string;
  readonly source: FilterSource;
  readonly request: readonly Buffer[];
  /** Null: it ends when the request has passed. */
  readonly response: readonly Buffer[] | null;
  /** Between two pieces of the response. */
  readonly everyMs: number;
  readonly requests: number;
  readonly concurrency: readonly number[];
}

/** Sends a body, a piece a turn of the event loop, while it is read. */
class Peer {
  private readonly pieces: readonly Buffer[];
  private readonly everyMs: number;
  private readonly give: (piece: Buffer, end: boolean) => void;
  private at = 0;
  private paused = false;
  private waiting = false;

  constructor(pieces: readonly Buffer[], everyMs: number, give: (piece: Buffer, end: boolean) => void) {
    this.pieces = pieces;
    this.everyMs = everyMs;
    this.give = give;
  }

  pause(): void {
    this.paused = true;
  }

  send(): void {
    this.paused = false;
    if (this.waiting || this.at >= this.pieces.length) return;
    this.waiting = true;
    if (this.everyMs > 0 && this.at > 0) setTimeout(() => this.next(), this.everyMs);
    else setImmediate(() => this.next());
  }

  private next(): void {
    this.waiting = false;
    if (this.paused) return;
    const piece = this.pieces[this.at++];
    this.give(piece, this.at === this.pieces.length);
    if (!this.paused) this.send();
  }
}

interface Times {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** One exchange through the filter; resolves when all of it has passed. */
function exchange(filter: FilterFactory, { request, response, everyMs }: Case): Promise<Times> {
  return new Promise((resolve) => {
    const start = performance.now();
    let firstMs = 0;
    const head = Head.request('POST', 'reviews:9080', '/reviews/0', FIELDS);
    head.contentLength = request.reduce((sum, { length }) => sum + length, 0);
    const client = new Peer(request, 0, (piece, end) => manager.body('request', piece, end));
    const server = new Peer(response ?? [], everyMs, (piece, end) => manager.body('response', piece, end));
    const passed = (piece: Buffer, end: boolean): void => {
      if (firstMs === 0 && piece.length > 0) firstMs = performance.now() - start;
      if (!end) return;
      manager.end();
      resolve({ firstMs, lastMs: performance.now() - start });
    };
    const forwarded = (piece: Buffer, end: boolean): void => {
      if (response === null) passed(piece, end);
      else if (end) {
        own.responseHead = Head.response(200, [['content-type', 'text/plain']]);
        own.responseHead.contentLength = -1;
        manager.head('response', false);
        server.send();
      }
    };
    const own = {
      ...OUTSIDE,
      requestHead: head,
      responseHead: null as Head | null,
      host: null,
      forward: (end: boolean) => end && forwarded(EMPTY, true),
      forwardData: forwarded,
      sendHead: () => undefined,
      sendData: passed,
      pauseRequest: () => client.pause(),
      resumeRequest: () => client.send(),
      pauseResponse: () => server.pause(),
      resumeResponse: () => server.send(),
    };
    const manager = new FilterManager(own as unknown as FilterManagerCallbacks, new FilterChain([filter]));
    manager.head('request', request.length === 0);
    client.send();
  });
}

interface Figures {
  readonly cpuUs: number;
  readonly firstUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

async function run(filter: FilterFactory, subject: Case, concurrency: number): Promise<Figures> {
  const { requests } = subject;
  const firsts: number[] = [];
  const lasts: number[] = [];
  let left = requests;
  const before = process.cpuUsage();
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const { firstMs, lastMs } = await exchange(filter, subject);
      firsts.push(firstMs);
      lasts.push(lastMs);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  const { user, system } = process.cpuUsage(before);
  const at = (times: number[], share: number): number =>
    times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] * 1000;
  return {
    cpuUs: (user + system) / requests,
    firstUs: at(firsts, 0.5),
    p50Us: at(lasts, 0.5),
    p99Us: at(lasts, 0.99),
  };
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
const filterThreads = new FilterThreads({
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
  connect: (thread, port) => filterThreads.connect(thread, port),
  upstreams: { find: () => null },
  log,
});

const header: FilterSource = { name: 'three headers', entry: join(FIXTURES, 'three-headers.ts'), runtime: 'stub' };
const redact: FilterSource = { name: 'redact', entry: join(FIXTURES, 'labour.ts'), runtime: 'minimal' };
const body = (size: number): Buffer[] =>
  Array.from({ length: Math.ceil(size / PIECE) }, (_, i) =>
    Buffer.alloc(Math.min(PIECE, size - i * PIECE), 'call 112 '),
  );
const small = body(10 << 10);
const events = Array.from({ length: 20 }, () => Buffer.alloc(512, 'call 112 '));
const plain = { source: redact, request: [], response: null, everyMs: 0, concurrency: [1, 32] };
const cases: readonly Case[] = [
  { ...plain, name: 'a header filter', source: header, requests: 8_000 },
  { ...plain, name: '10 KiB redacted', request: small, requests: 2_000 },
  { ...plain, name: '10 KiB redacted, and back', request: small, response: small, requests: 1_500 },
  { ...plain, name: '1 MiB redacted', request: body(1 << 20), requests: 64, concurrency: [1, 8] },
  { ...plain, name: '20 events, 5 ms apart', response: events, everyMs: 5, requests: 192, concurrency: [32] },
];

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

const word = process.argv[2] ?? '';
process.stdout.write(`${''.padEnd(46)} CPU µs  of inline  first µs    p50 µs    p99 µs\n`);
for (const subject of cases.filter(({ name }) => name.includes(word))) {
  const ways = {
    inline: runtime.configure(await specOf(subject.source, 'inline')),
    pool: isolation.configure(await specOf(subject.source, 'pool')),
  };
  for (const concurrency of subject.concurrency) {
    const rounds: Record<keyof typeof ways, Figures>[] = [];
    // The first one warms up.
    for (let i = 0; i <= ROUNDS; i++) {
      const inline = await run(ways.inline, subject, concurrency);
      const pool = await run(ways.pool, subject, concurrency);
      if (i > 0) rounds.push({ inline, pool });
    }
    for (const way of ['inline', 'pool'] as const) {
      const of = (figure: keyof Figures): string => median(rounds.map((round) => round[way][figure])).toFixed(0);
      const times = median(rounds.map((round) => round[way].cpuUs / round.inline.cpuUs)).toFixed(1);
      const title = `${subject.name}, ${way}, ${concurrency} at a time`;
      const rest = [of('firstUs'), of('p50Us'), of('p99Us')].map((figure) => figure.padStart(9)).join(' ');
      process.stdout.write(`${title.padEnd(46)} ${of('cpuUs').padStart(6)}  ${times.padStart(9)} ${rest}\n`);
    }
  }
}
isolation.stop();
await filterThreads.stop();
runtime.stop();
timers.stop();
