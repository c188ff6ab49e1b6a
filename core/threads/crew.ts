// Keeps N threads at work, one long Piscina task each: begins them, watches them, and puts another in the place of one that
// throws, exits or is stuck, after a pause that grows. Knows nothing of what they do, nor what their messages mean.

import { setTimeout as delay } from 'node:timers/promises';
import { MessageChannel, type MessagePort, type ResourceLimits } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { type Limits, Watchdog } from './watchdog.ts';

export const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 10_000;
/** A thread that lived this long failed for a new reason. */
const FORGIVEN_AFTER_MS = 60_000;
/** A thread that is told to end does so a few milliseconds later. */
const DYING_MS = 20;

/** One thread between its start and its death. `State`: what its crew's owner keeps of it. */
export interface Life<State> {
  readonly index: number;
  /** Place among all that were ever begun, from 1 on. */
  readonly order: number;
  /** To the thread. */
  readonly port: MessagePort;
  readonly state: State;
  readonly abort: AbortController;
  readonly bornAt: number;
  alive: boolean;
  /** Set by the crew's owner; false again when it is dead. */
  serving: boolean;
}

export interface CrewPlan<State, Message> {
  readonly count: number;
  /** What the log calls one, before its number: 'shard'. */
  readonly name: string;
  /** Module whose default export is the task. */
  readonly file: URL;
  readonly threads: { readonly env?: NodeJS.ProcessEnv; readonly resourceLimits?: ResourceLimits };
  /** When one is stuck. */
  readonly limits: Limits;
  log(level: 'error' | 'info', component: string, message: string): void;
  state(): State;
  /** What a newcomer is given, besides its `index`, a `port` to here and the memory of its Pulse, `pulse`. */
  start(index: number): object;
  /** Its task is on its way. */
  begun(life: Life<State>): void;
  received(life: Life<State>, message: Message): void;
  /** Its pulse has stood still for so long, at work on this (0: nothing): it is to be replaced. */
  stuck(life: Life<State>, stillMs: number, work: number): void;
  /** It is dead, or told to end: nothing comes from it that anybody should wait for. */
  ended(life: Life<State>): void;
  /** Its thread is gone: what it held in shared memory may be freed. */
  died(index: number): void;
}

export class Crew<State, Message> {
  restarts = 0;
  /** Ever begun. */
  born = 0;
  private readonly plan: CrewPlan<State, Message>;
  private readonly lives: (Life<State> | null)[];
  private readonly failures: number[];
  /** Their place is empty until a pause is over. */
  private readonly pausing = new Set<number>();
  private readonly stopping = new AbortController();
  private readonly watchdog: Watchdog;
  /** Made with the first thread: who needs none pays for none. */
  private pool: Piscina | null = null;

  constructor(plan: CrewPlan<State, Message>) {
    this.plan = plan;
    this.lives = new Array(plan.count).fill(null);
    this.failures = new Array(plan.count).fill(0);
    this.watchdog = new Watchdog(plan.count, plan.limits, (index, stillMs, work) => {
      const life = this.lives[index];
      if (life !== null) plan.stuck(life, stillMs, work);
    });
  }

  get count(): number {
    return this.plan.count;
  }

  get living(): Life<State>[] {
    return this.lives.filter((life) => life !== null);
  }

  get serving(): number {
    return this.living.filter(({ serving }) => serving).length;
  }

  /** Nobody is replaced any more. */
  get retired(): boolean {
    return this.stopping.signal.aborted;
  }

  at(index: number): Life<State> | null {
    return this.lives[index];
  }

  /** Begins all that are neither there nor about to be begun again. */
  begin(): void {
    for (let index = 0; index < this.count; index++) this.beginAt(index);
  }

  beginAt(index: number): void {
    if (this.retired || this.lives[index] !== null || this.pausing.has(index)) return;
    const { plan } = this;
    this.pool ??= this.open();
    const { port1, port2 } = new MessageChannel();
    const life: Life<State> = {
      index,
      order: ++this.born,
      port: port1,
      state: plan.state(),
      abort: new AbortController(),
      bornAt: performance.now(),
      alive: true,
      serving: false,
    };
    this.lives[index] = life;
    port1.on('message', (message: Message) => plan.received(life, message));
    // A port keeps the process alive; the pool's threads do that already.
    port1.unref();
    this.watchdog.begin(index);
    const task = { ...plan.start(index), index, port: port2, pulse: this.watchdog.memory };
    const { signal } = life.abort;
    this.pool.run(task, { filename: plan.file.href, transferList: [port2], signal }).then(
      () => this.replace(life, 'its task ended'),
      (error: unknown) => this.replace(life, error),
    );
    plan.begun(life);
  }

  /** It is through with what a start takes: from now on its pulse counts. */
  started(life: Life<State>): void {
    if (life.alive) this.watchdog.started(life.index);
  }

  /** Ends the thread, if it is not dead already, and begins another in its place, after a pause that grows or at once. */
  replace(life: Life<State>, cause: unknown, atOnce = false): void {
    if (!life.alive) return;
    const { plan } = this;
    const { index } = life;
    this.bury(life);
    if (this.retired) return;
    setTimeout(() => plan.died(index), DYING_MS);
    if (performance.now() - life.bornAt > FORGIVEN_AFTER_MS) this.failures[index] = 0;
    const wait = atOnce ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS << Math.min(this.failures[index]++, 10));
    this.restarts++;
    const then = `started again in ${wait} ms, ${this.serving} of ${this.count} ${plan.name}s serve on`;
    plan.log('error', 'main', `${plan.name} ${index} failed: ${causeText(cause)}; ${then}`);
    this.pausing.add(index);
    void delay(wait, true, { signal: this.stopping.signal }).then(
      () => {
        this.pausing.delete(index);
        this.beginAt(index);
        plan.log('info', 'main', `${plan.name} ${index} is started again`);
      },
      (error: Error) => {
        if (error.name !== 'AbortError') throw error;
      },
    );
  }

  /** From now on who dies is not missed. */
  retire(): void {
    this.stopping.abort();
  }

  /** Ends all threads. */
  async stop(): Promise<void> {
    this.retire();
    this.watchdog.stop();
    await this.pool?.destroy();
    for (const life of this.living) this.bury(life);
  }

  private bury(life: Life<State>): void {
    life.alive = false;
    life.serving = false;
    this.lives[life.index] = null;
    this.watchdog.end(life.index);
    life.abort.abort();
    this.plan.ended(life);
    // Its port closes with its thread, after what it had said last.
  }

  private open(): Piscina {
    const { name, count, threads, log } = this.plan;
    const pool = new Piscina({
      ...threads,
      minThreads: 0,
      maxThreads: count,
      concurrentTasksPerWorker: 1,
      // The default waits on shared memory between tasks, which would hold the thread's event loop.
      atomics: 'disabled',
    });
    pool.on('error', (error: Error) => log('error', 'main', `pool of ${name}s: ${error.message}`));
    return pool;
  }
}

/** One line: the message, and where in our code it happened. */
function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause).replace(/\s+/g, ' ');
  const where = /\n\s+at .*?\(?((?:file:\/\/)?\/[^\s)]+:\d+:\d+)\)?/.exec(cause.stack ?? '')?.[1];
  const text = `${cause.name === 'Error' ? '' : `${cause.name}: `}${cause.message}`.replace(/\s+/g, ' ');
  return where === undefined ? text : `${text} (${where})`;
}
