// The shards of a proxy: a crew of threads that are all told the same, and asked how they are. A newcomer is told everything
// that its predecessor knew. Knows nothing of what the messages mean.

import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import type { Problem } from '../config/resource.ts';
import type { Log } from '../main/options.ts';
import type { DumpKind, FromShard, ShardStart, ToShard } from '../shard/protocol.ts';
import { Crew, FIRST_BACKOFF_MS, type Life } from './crew.ts';

export interface ShardsEnvironment {
  readonly count: number;
  /** Module whose default export is the task. */
  readonly file: URL;
  /** What a shard is born with, as of now. */
  start(index: number): Omit<ShardStart, 'index' | 'port' | 'pulse'>;
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
/** And at most this: while a large configuration is taken in most of it is kept, and moving 16 MiB takes up to 50 ms. */
const MOST_YOUNG_MIB = 8;

/** What is kept of one shard. */
interface Talks {
  /** Configurations that it has not answered for, oldest first. */
  readonly configs: ((applied: Applied | null) => void)[];
  readonly queries: Map<number, (value: unknown) => void>;
  drained: (() => void) | null;
}

type Shard = Life<Talks>;

export class Shards {
  private readonly environment: ShardsEnvironment;
  private readonly crew: Crew<Talks, FromShard>;
  private nextQuery = 1;

  constructor(environment: ShardsEnvironment) {
    this.environment = environment;
    const { count, file, stuckAfterMs, log } = environment;
    // Read by each thread as it starts; the one that says so is not changed.
    setFlagsFromString(`--initial-old-space-size=${FIRST_COLLECTION_MIB}`);
    setFlagsFromString(`--min-semi-space-size=${YOUNG_MIB}`);
    setFlagsFromString(`--max-semi-space-size=${MOST_YOUNG_MIB}`);
    this.crew = new Crew({
      count,
      name: 'shard',
      file,
      threads: { env: environmentOfThreads() },
      limits: { silentMs: stuckAfterMs, workingMs: stuckAfterMs },
      log,
      state: () => ({ configs: [], queries: new Map(), drained: null }),
      start: environment.start,
      begun: (shard) => void this.greet(shard),
      received: (shard, message) => this.receive(shard, message),
      stuck: (shard, stillMs) =>
        this.crew.replace(shard, `no sign of life for ${Math.round(stillMs)} ms: its thread is terminated`),
      ended: forget,
      died: environment.died,
    });
    this.crew.begin();
  }

  get count(): number {
    return this.crew.count;
  }

  get serving(): number {
    return this.crew.serving;
  }

  get restarts(): number {
    return this.crew.restarts;
  }

  /** Shards ever begun. */
  get born(): number {
    return this.crew.born;
  }

  post(message: ToShard): void {
    for (const { port } of this.crew.living) port.postMessage(message);
  }

  /**
   * Sends a configuration to every living shard, or to the first that lives again; one entry for each that answered,
   * none for those that died of it. `parts`: what of it is told before.
   */
  async configure(message: ToShard & { type: 'config' }, parts: readonly ToShard[] = []): Promise<Applied[]> {
    while (this.crew.living.length === 0) {
      if (this.crew.retired) return [];
      await delay(FIRST_BACKOFF_MS);
    }
    const answers = this.crew.living.map((shard) => {
      for (const part of parts) shard.port.postMessage(part);
      return this.configureOne(shard, message);
    });
    return (await Promise.all(answers)).filter((applied) => applied !== null);
  }

  /** Greets shards that were begun after `born` said so. */
  async greetAgain(born: number): Promise<void> {
    await Promise.all(this.crew.living.filter(({ order }) => order > born).map((shard) => this.greet(shard)));
  }

  /** Asks every living shard; those that do not answer in time are left out. */
  async query(what: DumpKind): Promise<unknown[]> {
    const asked = this.crew.living.map((shard) => this.ask(shard, what));
    return (await Promise.all(asked)).filter((value) => value !== undefined);
  }

  /** Resolves when every living shard has finished, or after `ms`. */
  drain(ms: number): Promise<'drained' | 'late'> {
    this.crew.retire();
    return this.finish({ type: 'drain' }, ms);
  }

  private async finish(message: ToShard, ms: number): Promise<'drained' | 'late'> {
    const drained = this.crew.living.map(({ port, state }) => {
      port.postMessage(message);
      return new Promise<void>((resolve) => (state.drained = resolve));
    });
    const timer = new AbortController();
    const late = delay(ms, 'late' as const, { signal: timer.signal }).catch(() => 'drained' as const);
    const result = await Promise.race([Promise.all(drained).then(() => 'drained' as const), late]);
    timer.abort();
    return result;
  }

  /** Cuts off what is left, and ends the threads once that is in the log. */
  async stop(): Promise<void> {
    this.crew.retire();
    await this.finish({ type: 'close' }, LAST_WORDS_MS);
    await this.crew.stop();
  }

  private async greet(shard: Shard): Promise<void> {
    for (const message of this.environment.greeting()) {
      if (message.type !== 'config') {
        shard.port.postMessage(message);
        continue;
      }
      const applied = await this.configureOne(shard, message);
      if (applied === null || applied.ok) continue;
      const first = applied.problems.find(({ severity }) => severity === 'error');
      // A shard that cannot take what the others run is no shard; the back-off keeps this from spinning.
      this.crew.replace(shard, `it refuses the running configuration: ${first?.message ?? 'no reason given'}`);
    }
  }

  private configureOne(shard: Shard, message: ToShard & { type: 'config' }): Promise<Applied | null> {
    return new Promise((resolve) => {
      shard.state.configs.push(resolve);
      shard.port.postMessage(message);
    });
  }

  private ask(shard: Shard, what: DumpKind): Promise<unknown> {
    const id = this.nextQuery++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => answered(undefined), QUERY_MS);
      const answered = (value: unknown): void => {
        clearTimeout(timer);
        shard.state.queries.delete(id);
        resolve(value);
      };
      shard.state.queries.set(id, answered);
      shard.port.postMessage({ type: 'query', id, what } satisfies ToShard);
    });
  }

  private receive(shard: Shard, message: FromShard): void {
    switch (message.type) {
      case 'applied':
        // The first compile runs code that was never run before, which takes its time on a busy machine.
        this.crew.started(shard);
        if (message.ok) shard.serving = shard.alive;
        shard.state.configs.shift()?.({ ok: message.ok, problems: message.problems });
        return;
      case 'answer':
        shard.state.queries.get(message.id)?.(message.value);
        return;
      case 'drained':
        shard.state.drained?.();
        return;
      default:
        this.environment.received(shard.index, message);
    }
  }
}

/** Who waits for its answers waits no more. */
function forget({ state }: Shard): void {
  for (const answered of state.configs.splice(0)) answered(null);
  for (const answered of [...state.queries.values()]) answered(undefined);
  state.drained?.();
}

/** A thread keeps what it compiled beside what the main thread did, where that one does so. */
function environmentOfThreads(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir();
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) };
}
