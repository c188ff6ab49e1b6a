// The threads for slow filters: a crew that is begun before shards run such filters. A thread that works on one thing for
// longer than the deadline is terminated, and another takes its place at once; a plugin that does so again and again is
// barred for a while.

import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import type { FilterThreadNews, FilterThreadOrder, FilterThreadStart } from '../isolation/messages.ts';
import type { Log } from '../main/options.ts';
import type { LogLevel } from '../shard/protocol.ts';
import type { RestartReason } from '../wasm/guest/traps.ts';
import type { SharedMemory } from '../wasm/shared/shared-memory.ts';
import type { Node } from '../workload.ts';
import { Crew, type Life } from './crew.ts';

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

/** A loop outside of streams (a timer's callback) shows as a heart that does not beat. */
const HEARTLESS_MS = 5_000;
const TASK = new URL(`../isolation/filter-thread${extname(import.meta.filename)}`, import.meta.url);
/** A configuration does not wait for longer than this for threads. */
const READY_MS = 10_000;
/** Left alone, V8 gives a thread that copies messages more than 100 MiB for its youngest objects. */
const YOUNG_MIB = 24;
/** So many deaths of threads by one plugin, none of them long after the one before, bar it for a while; then one is enough. */
const OFFENCES = 5;
const BARRED_MS = 60_000;

/** What is kept of one thread. */
interface Talks {
  /** It serves, or is dead already. */
  readonly ready: PromiseWithResolvers<void>;
  /** By their numbers. */
  readonly plugins: Map<number, string>;
}

export class FilterThreads {
  private readonly environment: IsolatesEnvironment;
  private readonly crew: Crew<Talks, FilterThreadNews>;
  /** Channels of shards to threads that are not there at the moment. */
  private readonly waiting: MessagePort[][];
  private readonly offences = new Map<string, { count: number; at: number }>();
  private readonly barred = new Set<string>();

  constructor(environment: IsolatesEnvironment) {
    this.environment = environment;
    const { threads, deadlineMs, firstSlot, log } = environment;
    this.waiting = Array.from({ length: threads }, () => []);
    this.crew = new Crew({
      count: threads,
      name: 'pool thread',
      file: TASK,
      threads: { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB } },
      limits: { silentMs: Math.max(HEARTLESS_MS, deadlineMs), workingMs: deadlineMs },
      log,
      state: () => ({ ready: Promise.withResolvers(), plugins: new Map() }),
      start: (index) => this.startOf(index),
      begun: ({ index }) => {
        for (const port of this.waiting[index].splice(0)) this.connect(index, port);
      },
      received: (life, news) => this.receive(life, news),
      stuck: (life, stillMs, work) => this.stuck(life, stillMs, work),
      ended: ({ state, port }) => {
        state.ready.resolve();
        port.close();
      },
      died: (index) => environment.died(firstSlot + index),
    });
  }

  /** Threads that run. */
  get running(): number {
    return this.crew.living.length;
  }

  get restarts(): number {
    return this.crew.restarts;
  }

  /**
   * Begins the threads and resolves when they serve, so that no request waits for one to start. A thread that does not start is
   * no reason to hold up the rest: resolves before long in any case.
   */
  async start(): Promise<void> {
    this.crew.begin();
    const late = new AbortController();
    const all = Promise.all(this.crew.living.map(({ state }) => state.ready.promise));
    await Promise.race([all, delay(READY_MS, undefined, { ref: false, signal: late.signal })]);
    late.abort();
  }

  /** A shard wants this thread at the other end of its channel. */
  connect(index: number, port: MessagePort): void {
    const life = this.crew.at(index);
    if (this.crew.retired) port.close();
    else if (life !== null) life.port.postMessage({ type: 'shard', port } satisfies FilterThreadOrder, [port]);
    else {
      this.waiting[index].push(port);
      this.crew.beginAt(index);
    }
  }

  setLogLevel(level: LogLevel): void {
    this.tell({ type: 'log-level', level });
  }

  async stop(): Promise<void> {
    this.crew.retire();
    for (const ports of this.waiting) for (const port of ports.splice(0)) port.close();
    await this.crew.stop();
  }

  private startOf(index: number): Omit<FilterThreadStart, 'index' | 'port' | 'pulse'> {
    const { node, shared, firstSlot, logLevel } = this.environment;
    return { slot: firstSlot + index, node, shared, logLevel: logLevel(), barred: [...this.barred] };
  }

  private receive(life: Life<Talks>, news: FilterThreadNews): void {
    const { log, restarted } = this.environment;
    switch (news.type) {
      case 'ready':
        if (!life.alive) return;
        this.crew.started(life);
        life.serving = true;
        life.state.ready.resolve();
        return;
      case 'plugin':
        life.state.plugins.set(news.number, news.name);
        return;
      case 'plugin-restarted':
        restarted(news.plugin, news.reason);
        return;
      case 'log':
        log(news.level, news.component, news.message);
    }
  }

  private stuck(life: Life<Talks>, stillMs: number, work: number): void {
    const plugin = life.state.plugins.get(work) ?? null;
    const cause = `has been at one thing for ${Math.round(stillMs)} ms: the thread is terminated`;
    if (plugin === null) {
      this.crew.replace(life, `a filter ${cause}`);
      return;
    }
    // At once: what else runs there has done nothing, and who repeats it is barred.
    this.crew.replace(life, `plugin ${plugin} ${cause}`, true);
    this.environment.restarted(plugin, 'deadline');
    this.blame(plugin);
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

  private tell(order: FilterThreadOrder): void {
    for (const { port } of this.crew.living) port.postMessage(order);
  }
}
