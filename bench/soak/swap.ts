// Plugins swapped under load: a real proxy whose plugins get new configuration and new code again and again, while clients
// ask and slow requests live through many swaps. Nothing may fail, every request sees the plugins of one revision from its
// head to the end of its body, and what was replaced is freed.
//
//   node bench/soak/swap.ts [--swaps 10000] [--plugins 5] [--isolation inline|pool] [--shards 2]

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { compileFilter } from '../../asbuild/compile.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { type Child, Children } from '../children.ts';
import { edge, resource } from '../edge.ts';
import { freePort } from '../ports.ts';
import { usage } from '../usage.ts';
import { collecting, heldMiB } from './collected.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Different codes that do the same; a plugin gets the next one every few revisions. */
const CODES = 4;
const CODE_EVERY = 3;
const CLIENTS = 8;
const PAUSE_MS = 4;
/** Requests that are under way for this long, several at a time. */
const SLOW_MS = 1_500;
const SLOW_CLIENTS = 4;
const PATIENCE_MS = 60_000;
const SAMPLES = 50;
/** Growth of what heaps hold after a collection, from the second fifth of the swaps to the last, that is no leak. */
const HELD_MIB = 4;
/** Growth of resident memory from the fourth fifth to the last: young generations are as large as they get by then. */
const RESIDENT = 1.1;
const RESIDENT_MIB = 32;

export interface SoakOptions {
  readonly swaps: number;
  readonly plugins: number;
  readonly isolation: 'inline' | 'pool';
  readonly shards: number;
  say(line: string): void;
}

export interface SoakResult {
  readonly swaps: number;
  readonly revisions: number;
  readonly seconds: number;
  readonly requests: number;
  readonly slowRequests: number;
  /** What went wrong, a line each. */
  readonly failures: readonly string[];
  /** Resident memory, and what the heaps of all threads hold after a collection, in MiB, evenly over the run. */
  readonly rssMiB: readonly number[];
  readonly heldMiB: readonly number[];
  readonly flat: boolean;
  /** Rows of the proxy's list of filters, over all shards, when all was over. */
  readonly filters: number;
}

/** What clients may see now. */
interface Window {
  /** Runs in every shard. */
  acknowledged: number;
  /** Is written, and may run in some. */
  written: number;
  over: boolean;
  requests: number;
  slowRequests: number;
  readonly failures: string[];
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-swap-'));
  const children = new Children();
  const upstream = await echo();
  try {
    const digests = await writeCodes(folder);
    const port = await freePort();
    writeJson(folder, 'edge', edge(port, (upstream.address() as AddressInfo).port));
    writeRevision(folder, options, digests, 1);
    const figures = join(folder, '.figures');
    mkdirSync(figures);
    const { args, env } = collecting(figures);
    const proxy = children.start(
      process.execPath,
      [
        ...args,
        join(ROOT, 'cli/mesh.ts'),
        'proxy',
        '--config',
        folder,
        '--shards',
        `${options.shards}`,
        '--access-log',
        'off',
      ],
      { MESH_HOME: join(folder, '.mesh'), ...env },
      32 << 10,
    );
    await says(proxy, 'revision 1 runs');
    await says(proxy, '(admin ');
    const admin = /admin (http:\/\/[^\s)]+)/.exec(proxy.output())?.[1] ?? '';
    return await swap(options, { folder, figures, digests, port, proxy, admin });
  } finally {
    await children.stop();
    upstream.closeAllConnections();
    upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Setting {
  readonly folder: string;
  readonly figures: string;
  readonly digests: readonly string[];
  readonly port: number;
  readonly proxy: Child;
  readonly admin: string;
}

async function swap(
  options: SoakOptions,
  { folder, figures, digests, port, proxy, admin }: Setting,
): Promise<SoakResult> {
  const { swaps, plugins, say } = options;
  const revisions = Math.ceil(swaps / plugins);
  const window: Window = {
    acknowledged: 1,
    written: 1,
    over: false,
    requests: 0,
    slowRequests: 0,
    failures: [],
  };
  const agent = new Agent({ keepAlive: true });
  const clients = [
    ...Array.from({ length: CLIENTS }, () => quick(port, agent, plugins, window)),
    ...Array.from({ length: SLOW_CLIENTS }, () => slow(port, plugins, window)),
  ];
  const started = performance.now();
  const rssMiB: number[] = [];
  const held: number[] = [];
  for (let revision = 2; revision <= revisions + 1; revision++) {
    window.written = revision;
    writeRevision(folder, options, digests, revision);
    await says(proxy, `revision ${revision} runs`);
    window.acknowledged = revision;
    if (rssMiB.length >= ((revision - 1) / revisions) * SAMPLES) continue;
    rssMiB.push(usage(proxy.pid).rssMiB);
    held.push(heldMiB(figures));
    const done = (revision - 1) * plugins;
    say(
      `${done} swaps, ${window.requests} requests, ${window.failures.length} failures, ${rssMiB.at(-1)?.toFixed(0)} MiB, heaps hold ${held.at(-1)?.toFixed(1)}`,
    );
    if (window.failures.length > 0) break;
  }
  const seconds = (performance.now() - started) / 1000;
  window.over = true;
  await Promise.all(clients);
  agent.destroy();
  const { requests, slowRequests, failures } = window;
  const filters = await countFilters(admin);
  return {
    swaps: revisions * plugins,
    revisions,
    seconds,
    requests,
    slowRequests,
    failures,
    rssMiB,
    heldMiB: held,
    flat: isFlat(rssMiB, held),
    filters,
  };
}

function isFlat(resident: readonly number[], held: readonly number[]): boolean {
  const fifth = Math.max(1, Math.floor(resident.length / 5));
  const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;
  if (median(held.slice(-fifth)) > median(held.slice(fifth, 2 * fifth)) + HELD_MIB) return false;
  const before = median(resident.slice(-2 * fifth, -fifth));
  return median(resident.slice(-fifth)) <= Math.max(before * RESIDENT, before + RESIDENT_MIB);
}

async function says(proxy: Child, wanted: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!proxy.output().includes(wanted)) {
    const refused = /^.*(refused|cannot be applied).*$/m.exec(proxy.output());
    if (!proxy.alive() || refused !== null || performance.now() > deadline) {
      throw new Error(`"${wanted}" was not said; the proxy said:\n${proxy.output()}`);
    }
    await delay(3);
  }
}

async function countFilters(admin: string): Promise<number> {
  const shards = (await (await fetch(`${admin}/filters`)).json()) as unknown[];
  return shards.flat().length;
}

// The clients.

async function quick(port: number, agent: Agent, plugins: number, window: Window): Promise<void> {
  while (!window.over) {
    await ask(port, { agent, plugins, window, forMs: 0 });
    window.requests++;
    await delay(PAUSE_MS);
  }
}

async function slow(port: number, plugins: number, window: Window): Promise<void> {
  while (!window.over) {
    await ask(port, { agent: false, plugins, window, forMs: SLOW_MS });
    window.slowRequests++;
  }
}

interface Asking {
  readonly agent: Agent | false;
  readonly plugins: number;
  readonly window: Window;
  /** How long the request's body takes. */
  readonly forMs: number;
}

/** One request; whatever is wrong with its answer is noted. */
async function ask(port: number, { agent, plugins, window, forMs }: Asking): Promise<void> {
  const from = window.acknowledged;
  try {
    const outgoing = httpRequest({ host: '127.0.0.1', port, method: 'POST', agent });
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
    // A connection that fails while the body is being sent is told of below.
    answered.catch(() => undefined);
    outgoing.write('body');
    for (let spent = 0; spent < forMs; spent += forMs / 5) {
      await delay(forMs / 5);
      outgoing.write('.');
    }
    outgoing.end();
    const [response] = await answered;
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const wrong = response.statusCode === 200 ? fault(body, plugins, from, window.written) : response.statusCode;
    if (wrong !== null) window.failures.push(`asked at revision ${from}: ${wrong} ${body.slice(0, 200)}`);
  } catch (error) {
    window.failures.push(`asked at revision ${from}: ${(error as Error).message}`);
  }
}

/** What is wrong with an answer, or null: head and body were marked by all plugins with one revision that was running. */
function fault(body: string, plugins: number, from: number, to: number): string | null {
  const { marks, text } = JSON.parse(body) as { marks: Record<string, string>; text: string };
  const revision = Number(marks['x-mark-p0']);
  if (!(revision >= from && revision <= to)) return `revision ${revision} is not between ${from} and ${to}`;
  for (let i = 0; i < plugins; i++) {
    if (marks[`x-mark-p${i}`] !== String(revision)) return `p${i} was another than p0`;
    if (!text.includes(` p${i}=${revision}`)) return `p${i} changed between head and body`;
  }
  return null;
}

/** Answers with the marks of the request's head, and its body. */
async function echo(): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const marks = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.startsWith('x-mark-')));
      response.end(JSON.stringify({ marks, text: Buffer.concat(chunks).toString() }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

// What the proxy is told.

/** Compiled once, for all soaks of a process. */
let mark: Promise<Uint8Array> | null = null;

/** The same filter several times over, each with another digest: a custom section says which one it is. */
async function writeCodes(folder: string): Promise<string[]> {
  const entry = join(ROOT, 'filters/sdk/fixtures/mark.ts');
  mark ??= compileFilter({ name: 'mark', entry, runtime: 'minimal' });
  const bytes = await mark;
  return Array.from({ length: CODES }, (_, i) => {
    const code = Buffer.concat([bytes, Buffer.from([0, 6, 4, ...Buffer.from('code'), i])]);
    writeFileSync(join(folder, `code-${i}.wasm`), code);
    return `sha256:${createHash('sha256').update(code).digest('hex')}`;
  });
}

/** All plugins get a new configuration, and each of them new code every CODE_EVERY revisions, not all at once. */
function writeRevision(folder: string, options: SoakOptions, digests: readonly string[], revision: number): void {
  const { plugins, isolation } = options;
  const items = Array.from({ length: plugins }, (_, i) =>
    resource('weft.dev/v1', 'Plugin', `p${i}`, {
      digest: digests[Math.floor((revision + i) / CODE_EVERY) % CODES],
      isolation,
      config: { name: `p${i}`, mark: String(revision) },
    }),
  );
  writeJson(folder, 'plugins', items);
}

/** In one step: the proxy reads the folder whenever it changes. */
function writeJson(folder: string, name: string, items: readonly object[]): void {
  const file = join(folder, `${name}.json`);
  writeFileSync(`${file}.new`, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  renameSync(`${file}.new`, file);
}

async function main(): Promise<number> {
  tellUsage('node bench/soak/swap.ts [--swaps 10000] [--plugins 5] [--isolation inline|pool] [--shards 2]');
  const { values } = parseArgs({
    options: {
      swaps: { type: 'string', default: '10000' },
      plugins: { type: 'string', default: '5' },
      shards: { type: 'string', default: '2' },
      isolation: { type: 'string', default: 'inline' },
    },
  });
  const isolation = values.isolation === 'pool' ? 'pool' : 'inline';
  const count = (text: string): number => Math.max(1, Math.floor(Number(text)) || 1);
  const result = await soak({
    swaps: count(values.swaps),
    plugins: count(values.plugins),
    shards: count(values.shards),
    isolation,
    say: (line) => console.error(line),
  });
  const { rssMiB, heldMiB: held, failures, ...figures } = result;
  const memory = { rssMiB: rssMiB.map(Math.round), heldMiB: held.map((mib) => Number(mib.toFixed(1))) };
  console.log(JSON.stringify({ ...figures, ...memory, failures: failures.length }, null, 2));
  for (const failure of failures.slice(0, 10)) console.error(failure);
  return failures.length === 0 && result.flat ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
