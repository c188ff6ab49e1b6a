// The threads for slow filters: a second Piscina pool, one long task a thread, begun before shards run such filters. A thread
// that works on one thing for longer than the deadline is terminated, and another takes its place at once; a plugin that does
// so again and again is barred for a while, and a thread that ends for another reason is started with growing pauses.

import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { BusyWatch, createBusy } from '../isolation/busy.ts';
import type { IsolateNews, IsolateOrder, IsolateStart } from '../isolation/messages.ts';
import type { Log } from '../main/options.ts';
import type { LogLevel } from '../shard/protocol.ts';
import type { RestartReason } from '../wasm/guest/traps.ts';
import type { SharedMemory } from '../wasm/shared/shared-memory.ts';
import type { Node } from '../workload.ts';

export interface IsolatesEnvironment {
  readonly threads: number;
  /** How long a filter may work on one thing. */
  readonly deadlineMs: number;
  readonly node: Node;
  readonly shared: SharedMemory;
  /** Their places in what all threads share begin here. */
  readonly firstSlot: number;
  logLevel(): LogLevel;
  readonly log: Log;
  /** A guest, or with its thread every guest, died and was replaced. */
  restarted(plugin: string, reason: RestartReason): void;
  /** The thread with this place in shared memory is dead: what it held may be freed. */
  died(slot: number): void;
}

const TASK = new URL(`../isolation/isolate${extname(import.meta.filename)}`, import.meta.url);
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 10_000;
const FORGIVEN_AFTER_MS = 60_000;
const DYING_MS = 20;
/** A configuration does not wait for longer than this for threads. */
const READY_MS = 10_000;
/** Left alone, V8 gives a thread that copies messages more than 100 MiB for its youngest objects. */
const YOUNG_MIB = 24;
/** So many deaths of threads by one plugin, none of them long after the one before, bar it for a while; then one is enough. */
const OFFENCES = 5;
const BARRED_MS = 60_000;

/** One thread between its start and its death. */
interface Life {
  readonly index: number;
  readonly control: MessagePort;
  readonly abort: AbortController;
  readonly bornAt: number;
  alive: boolean;
  /** It serves, or is dead already. */
  readonly ready: PromiseWithResolvers<void>;
  serves: boolean;
  /** By their numbers. */
  readonly plugins: Map<number, string>;
}

export class Isolates {
  restarts = 0;
  private readonly environment: IsolatesEnvironment;
  private readonly busy: SharedArrayBuffer;
  private readonly lives: (Life | null)[];
  private readonly failures: number[];
  private readonly pausing: boolean[];
  /** Channels of shards to threads that are not there at the moment. */
  private readonly waiting: MessagePort[][];
  private readonly stopping = new AbortController();
  private readonly offences = new Map<string, { count: number; at: number }>();
  private readonly barred = new Set<string>();
  private pool: Piscina | null = null;
  private watch: BusyWatch | null = null;

  constructor(environment: IsolatesEnvironment) {
    this.environment = environment;
    const { threads } = environment;
    this.busy = createBusy(threads);
    this.lives = new Array(threads).fill(null);
    this.failures = new Array(threads).fill(0);
    this.pausing = new Array(threads).fill(false);
    this.waiting = this.lives.map(() => []);
  }

  /** Threads that run. */
  get running(): number {
    return this.lives.filter((life) => life !== null).length;
  }

  /**
   * Begins the threads and resolves when they serve, so that no request waits for one to start. A thread that does not start is
   * no reason to hold up the rest: resolves before long in any case.
   */
  async start(): Promise<void> {
    if (this.stopping.signal.aborted || this.lives.every((life) => life?.serves === true)) return;
    for (const [index, life] of this.lives.entries()) if (life === null && !this.pausing[index]) this.begin(index);
    const late = new AbortController();
    const all = Promise.all(this.lives.map((life) => life?.ready.promise));
    await Promise.race([all, delay(READY_MS, undefined, { ref: false, signal: late.signal })]);
    late.abort();
  }

  /** A shard wants this thread at the other end of its channel. */
  connect(index: number, port: MessagePort): void {
    const life = this.lives[index];
    if (this.stopping.signal.aborted) port.close();
    else if (life != null) life.control.postMessage({ type: 'shard', port } satisfies IsolateOrder, [port]);
    else {
      this.waiting[index].push(port);
      // One that died is begun when its pause is over.
      if (!this.pausing[index]) this.begin(index);
    }
  }

  setLogLevel(level: LogLevel): void {
    this.tell({ type: 'log-level', level });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.watch?.stop();
    for (const life of this.lives) if (life !== null) this.bury(life);
    for (const ports of this.waiting) for (const port of ports.splice(0)) port.close();
    await this.pool?.destroy();
  }

  private begin(index: number): void {
    const { node, shared, firstSlot, logLevel, threads, deadlineMs, log } = this.environment;
    if (this.pool === null) {
      this.pool = new Piscina({
        minThreads: 0,
        maxThreads: threads,
        concurrentTasksPerWorker: 1,
        atomics: 'disabled',
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
      });
      this.pool.on('error', (error: Error) => log('error', 'main', `pool of slow filters: ${error.message}`));
    }
    this.watch ??= new BusyWatch(this.busy, deadlineMs, (...stuck) => this.stuck(...stuck));
    const { port1, port2 } = new MessageChannel();
    const life: Life = {
      index,
      control: port1,
      abort: new AbortController(),
      bornAt: performance.now(),
      alive: true,
      ready: Promise.withResolvers(),
      serves: false,
      plugins: new Map(),
    };
    this.lives[index] = life;
    port1.on('message', (news: IsolateNews) => this.receive(life, news));
    port1.unref();
    const slot = firstSlot + index;
    const task: IsolateStart = {
      index,
      slot,
      node,
      control: port2,
      busy: this.busy,
      shared,
      logLevel: logLevel(),
      barred: [...this.barred],
    };
    this.watch.begin(index);
    this.pool.run(task, { filename: TASK.href, transferList: [port2], signal: life.abort.signal }).then(
      () => this.ended(life, 'its task ended', null),
      (error: unknown) => this.ended(life, error instanceof Error ? error.message : String(error), null),
    );
    for (const port of this.waiting[index].splice(0)) this.connect(index, port);
  }

  private receive(life: Life, news: IsolateNews): void {
    const { log, restarted } = this.environment;
    switch (news.type) {
      case 'ready':
        if (!life.alive) return;
        this.watch?.started(life.index);
        life.serves = true;
        life.ready.resolve();
        return;
      case 'plugin':
        life.plugins.set(news.number, news.name);
        return;
      case 'plugin-restarted':
        restarted(news.plugin, news.reason);
        return;
      case 'log':
        log(news.level, news.component, news.message);
    }
  }

  private stuck(index: number, silentMs: number, plugin: number): void {
    const life = this.lives[index];
    if (life === null) return;
    const name = life.plugins.get(plugin) ?? null;
    const who = name === null ? 'a filter' : `plugin ${name}`;
    this.ended(life, `${who} has been at one thing for ${Math.round(silentMs)} ms: the thread is terminated`, name);
  }

  /** `culprit`: the plugin whose filter was at work. */
  private ended(life: Life, cause: string, culprit: string | null): void {
    if (!life.alive) return;
    const { index } = life;
    const { log, restarted, died, firstSlot } = this.environment;
    this.bury(life);
    this.lives[index] = null;
    if (this.stopping.signal.aborted) return;
    setTimeout(() => died(firstSlot + index), DYING_MS);
    if (performance.now() - life.bornAt > FORGIVEN_AFTER_MS) this.failures[index] = 0;
    // At once for a plugin's deed: what else runs there has done nothing, and who repeats it is barred.
    const failures = culprit === null ? ++this.failures[index] : 0;
    const wait = failures === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS << Math.min(failures - 1, 10));
    this.restarts++;
    this.pausing[index] = true;
    log('error', 'main', `pool thread ${index} failed: ${cause.replace(/\s+/g, ' ')}; started again in ${wait} ms`);
    if (culprit !== null) {
      restarted(culprit, 'deadline');
      this.blame(culprit);
    }
    void delay(wait, true, { signal: this.stopping.signal }).then(
      () => {
        this.pausing[index] = false;
        this.begin(index);
      },
      (error: Error) => {
        if (error.name !== 'AbortError') throw error;
      },
    );
  }

  private blame(plugin: string): void {
    const now = performance.now();
    const before = this.offences.get(plugin);
    const count = before !== undefined && now - before.at < BARRED_MS * 2 ? before.count + 1 : 1;
    this.offences.set(plugin, { count, at: now });
    if (count < OFFENCES || this.barred.has(plugin)) return;
    const seconds = BARRED_MS / 1000;
    this.environment.log(
      'error',
      'main',
      `plugin ${plugin} has cost ${count} threads in a row: for ${seconds} s its requests go by its fail strategy`,
    );
    this.barred.add(plugin);
    this.tell({ type: 'barred', plugins: [...this.barred] });
    const lift = setTimeout(() => {
      this.barred.delete(plugin);
      this.tell({ type: 'barred', plugins: [...this.barred] });
    }, BARRED_MS);
    lift.unref();
  }

  private tell(order: IsolateOrder): void {
    for (const life of this.lives) life?.control.postMessage(order);
  }

  private bury(life: Life): void {
    life.alive = false;
    life.serves = false;
    life.ready.resolve();
    this.watch?.end(life.index);
    life.abort.abort();
    life.control.close();
  }
}
