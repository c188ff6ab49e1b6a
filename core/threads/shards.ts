// Keeps N shards alive: one long Piscina task each. A shard that throws, exits or shows no sign of life is replaced while
// the others serve; the newcomer is told everything that its predecessor knew. Knows nothing of what the messages mean.

import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Problem } from '../config/resource.ts';
import type { Log } from '../main/options.ts';
import type { ShardMemory } from '../shard/memory.ts';
import type { DumpKind, FromShard, ModuleSpec, ShardOptions, ShardStart, ToShard } from '../shard/protocol.ts';
import type { Node } from '../workload.ts';
import { Watchdog } from './watchdog.ts';

export interface ShardsEnvironment {
  readonly count: number;
  /** Module whose default export is the task. */
  readonly file: URL;
  readonly node: Node;
  /** As of now: a shard that is started later gets the log level of then. */
  options(): ShardOptions;
  readonly modules: readonly ModuleSpec[];
  readonly shared: ShardMemory;
  /** Statistics by shard index; they outlive the shard. */
  readonly statistics: readonly SharedArrayBuffer[];
  /** What its predecessors announced of them. */
  series(index: number): ShardStart['series'];
  readonly isolates: number;
  readonly stuckAfterMs: number;
  readonly log: Log;
  /** What a newborn shard must be told, in order. */
  greeting(): readonly ToShard[];
  /** Messages that are no answers. */
  received(index: number, message: News): void;
  /** A shard is dead: what it held in shared memory may be freed. */
  died(index: number): void;
}

/** What a shard says unasked. */
export type News = Exclude<FromShard, { type: 'applied' | 'answer' | 'drained' }>;

export interface Applied {
  readonly ok: boolean;
  readonly problems: readonly Problem[];
}

const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 10_000;
/** A shard that lived this long failed for a new reason. */
const FORGIVEN_AFTER_MS = 60_000;
/** How long a shard may take to log what is cut off at the end. */
const LAST_WORDS_MS = 500;
const QUERY_MS = 2_000;
/**
 * Memory at which a shard's first full garbage collection may begin. V8 starts from a few MiB and counts bodies in that are
 * kept for another attempt, so that PUTs of 10 KiB had one every 3,000 requests, for a tenth of their CPU.
 */
const FIRST_COLLECTION_MIB = 64;
/** Each half of the young generation is at least this: after an idle spell it would begin with 0.5, and stay small. */
const YOUNG_MIB = 4;
const DYING_MS = 20;

/** One shard between its start and its death. */
interface Life {
  readonly index: number;
  /** Place among all shards ever begun, from 1 on. */
  readonly order: number;
  readonly port: MessagePort;
  readonly abort: AbortController;
  readonly bornAt: number;
  alive: boolean;
  /** It has applied the configuration that it was greeted with. */
  serving: boolean;
  /** Configurations that it has not answered for, oldest first. */
  readonly configs: ((applied: Applied | null) => void)[];
  readonly queries: Map<number, (value: unknown) => void>;
  drained: (() => void) | null;
}

export class Shards {
  restarts = 0;
  /** Shards ever begun. */
  born = 0;
  private readonly environment: ShardsEnvironment;
  private readonly pool: Piscina;
  private readonly lives: (Life | null)[];
  private readonly failures: number[];
  private readonly watchdog: Watchdog;
  private readonly stopping = new AbortController();
  private nextQuery = 1;

  constructor(environment: ShardsEnvironment) {
    this.environment = environment;
    const { count, stuckAfterMs } = environment;
    this.lives = new Array(count).fill(null);
    this.failures = new Array(count).fill(0);
    // Read by each thread as it starts; the one that says so is not changed.
    setFlagsFromString(`--initial-old-space-size=${FIRST_COLLECTION_MIB}`);
    setFlagsFromString(`--min-semi-space-size=${YOUNG_MIB}`);
    this.pool = new Piscina({
      minThreads: count,
      maxThreads: count,
      concurrentTasksPerWorker: 1,
      // The default waits on shared memory between tasks, which would hold the shard's event loop.
      atomics: 'disabled',
      env: environmentOfThreads(),
    });
    this.pool.on('error', (error: Error) => environment.log('error', 'main', `thread pool: ${error.message}`));
    this.watchdog = new Watchdog(count, stuckAfterMs, (index, silentMs) => this.stuck(index, silentMs));
    for (let index = 0; index < count; index++) this.begin(index);
  }

  get count(): number {
    return this.lives.length;
  }

  /** Shards that serve. */
  get serving(): number {
    return this.lives.filter((life) => life?.serving).length;
  }

  post(message: ToShard): void {
    for (const life of this.lives) life?.port.postMessage(message);
  }

  /**
   * Sends a configuration to every living shard, or to the first that lives again; one entry for each that answered,
   * none for those that died of it.
   */
  async configure(message: ToShard & { type: 'config' }): Promise<Applied[]> {
    while (this.lives.every((life) => life === null)) {
      if (this.stopping.signal.aborted) return [];
      await delay(FIRST_BACKOFF_MS);
    }
    const answers = this.lives.map((life) => (life === null ? null : this.configureOne(life, message)));
    return (await Promise.all(answers)).filter((applied) => applied !== null);
  }

  /** Greets shards that were begun after `born` said so. */
  async greetAgain(born: number): Promise<void> {
    await Promise.all(this.lives.filter((life) => life !== null && life.order > born).map((life) => this.greet(life!)));
  }

  /** Asks every living shard; those that do not answer in time are left out. */
  async query(what: DumpKind): Promise<unknown[]> {
    const asked = this.lives.filter((life) => life !== null).map((life) => this.ask(life, what));
    return (await Promise.all(asked)).filter((value) => value !== undefined);
  }

  /** Resolves when every living shard has finished, or after `ms`. */
  drain(ms: number): Promise<'drained' | 'late'> {
    // Who dies from now on is not missed.
    this.stopping.abort();
    return this.finish({ type: 'drain' }, ms);
  }

  private async finish(message: ToShard, ms: number): Promise<'drained' | 'late'> {
    const drained = this.lives
      .filter((life) => life !== null)
      .map((life) => {
        life.port.postMessage(message);
        return new Promise<void>((resolve) => (life.drained = resolve));
      });
    const timer = new AbortController();
    const late = delay(ms, 'late' as const, { signal: timer.signal }).catch(() => 'drained' as const);
    const result = await Promise.race([Promise.all(drained).then(() => 'drained' as const), late]);
    timer.abort();
    return result;
  }

  /** Cuts off what is left, and ends the threads once that is in the log. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.watchdog.stop();
    await this.finish({ type: 'close' }, LAST_WORDS_MS);
    await this.pool.destroy();
    for (const life of this.lives) if (life !== null) this.bury(life);
  }

  private begin(index: number): void {
    const { port1, port2 } = new MessageChannel();
    const life: Life = {
      index,
      order: ++this.born,
      port: port1,
      abort: new AbortController(),
      bornAt: performance.now(),
      alive: true,
      serving: false,
      configs: [],
      queries: new Map(),
      drained: null,
    };
    this.lives[index] = life;
    port1.on('message', (message: FromShard) => this.receive(life, message));
    // A port keeps the process alive; the pool's threads do that already.
    port1.unref();
    const { file, count, node, options, modules, shared, statistics, series, isolates } = this.environment;
    const task: ShardStart = {
      index,
      shards: count,
      node,
      port: port2,
      heartbeat: this.watchdog.beats,
      statistics: statistics[index],
      series: series(index),
      shared,
      modules,
      isolates,
      options: options(),
    };
    this.watchdog.begin(index);
    this.pool.run(task, { filename: file.href, transferList: [port2], signal: life.abort.signal }).then(
      () => this.ended(life, new Error('its task ended')),
      (error: unknown) => this.ended(life, error),
    );
    void this.greet(life);
  }

  private async greet(life: Life): Promise<void> {
    for (const message of this.environment.greeting()) {
      if (message.type !== 'config') {
        life.port.postMessage(message);
        continue;
      }
      const applied = await this.configureOne(life, message);
      if (applied === null || applied.ok) continue;
      const first = applied.problems.find(({ severity }) => severity === 'error');
      // A shard that cannot take what the others run is no shard; the back-off keeps this from spinning.
      this.ended(life, new Error(`it refuses the running configuration: ${first?.message ?? 'no reason given'}`));
    }
  }

  private configureOne(life: Life, message: ToShard & { type: 'config' }): Promise<Applied | null> {
    return new Promise((resolve) => {
      life.configs.push(resolve);
      life.port.postMessage(message);
    });
  }

  private ask(life: Life, what: DumpKind): Promise<unknown> {
    const id = this.nextQuery++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => answered(undefined), QUERY_MS);
      const answered = (value: unknown): void => {
        clearTimeout(timer);
        life.queries.delete(id);
        resolve(value);
      };
      life.queries.set(id, answered);
      life.port.postMessage({ type: 'query', id, what } satisfies ToShard);
    });
  }

  private receive(life: Life, message: FromShard): void {
    switch (message.type) {
      case 'applied':
        // The first compile runs code that was never run before, which takes its time on a busy machine.
        if (life.alive) this.watchdog.started(life.index);
        if (message.ok) life.serving = life.alive;
        life.configs.shift()?.({ ok: message.ok, problems: message.problems });
        return;
      case 'answer':
        life.queries.get(message.id)?.(message.value);
        return;
      case 'drained':
        life.drained?.();
        return;
      default:
        this.environment.received(life.index, message);
    }
  }

  private stuck(index: number, silentMs: number): void {
    const life = this.lives[index];
    if (life === null) return;
    this.ended(life, new Error(`no sign of life for ${Math.round(silentMs)} ms: its thread is terminated`));
  }

  private ended(life: Life, cause: unknown): void {
    if (!life.alive) return;
    const { index } = life;
    this.bury(life);
    this.lives[index] = null;
    if (this.stopping.signal.aborted) return;
    // Its thread is told to end, and does so a few milliseconds later.
    setTimeout(() => this.environment.died(index), DYING_MS);
    if (performance.now() - life.bornAt > FORGIVEN_AFTER_MS) this.failures[index] = 0;
    const wait = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS << Math.min(this.failures[index]++, 10));
    this.restarts++;
    const others = `${this.serving} of ${this.count} shards serve on`;
    this.environment.log(
      'error',
      'main',
      `shard ${index} failed: ${causeText(cause)}; started again in ${wait} ms, ${others}`,
    );
    void delay(wait, true, { signal: this.stopping.signal }).then(
      () => {
        this.begin(index);
        this.environment.log('info', 'main', `shard ${index} is started again`);
      },
      (error: Error) => {
        if (error.name !== 'AbortError') throw error;
      },
    );
  }

  private bury(life: Life): void {
    life.alive = false;
    life.serving = false;
    this.watchdog.end(life.index);
    life.abort.abort();
    for (const answered of life.configs.splice(0)) answered(null);
    for (const answered of [...life.queries.values()]) answered(undefined);
    life.drained?.();
    // Its port closes with its thread, after what it had said last.
  }
}

/** A thread keeps what it compiled beside what the main thread did, where that one does so. */
function environmentOfThreads(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir();
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) };
}

function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // One line: the message, and where in our code it happened.
  const where = /\n\s+at .*?\(?((?:file:\/\/)?\/[^\s)]+:\d+:\d+)\)?/.exec(cause.stack ?? '')?.[1];
  const text = `${cause.name === 'Error' ? '' : `${cause.name}: `}${cause.message}`.replace(/\s+/g, ' ');
  return where === undefined || cause.message.startsWith('no sign') ? text : `${text} (${where})`;
}
