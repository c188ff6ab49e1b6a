// Checks changes on a thread of its own: the thread knows the configuration as it is told of it, and the control plane's event
// loop never waits. A change that the thread does not get done costs that change an error, and the thread is started again.
import { extname } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Commit, ConfigState, Lease } from '../../bus/types.ts';
import type { KindWords } from '../../core/config/kind-words.ts';
import type { Problem, Resource } from '../../core/config/resource.ts';
import { ApiError } from '../api-error.ts';
import { joinedOf } from '../nodes.ts';
import type {
  DecodedReply,
  DiffReply,
  Entry,
  FromChecker,
  Job,
  Joined,
  Outcome,
  SourceFile,
  ToChecker,
  Wanted,
} from './messages.ts';

export interface CheckerOptions {
  /** The newest configuration that is known here. */
  state(): ConfigState;
  /** Of the proxies that live now. */
  leases(): ReadonlyMap<string, Lease>;
  /** For one step of one change, from when it begins. Default 30 s. */
  readonly deadlineMs?: number;
  onLog?(line: string): void;
}

/** What was decoded, until it is released. */
export type Decoding = DecodedReply & { readonly id: number };

/** The thread ended because of something else: whoever asked may ask again, from the start. */
export class CheckerLostError extends Error {}

interface Asked {
  readonly job: Job;
  readonly parts: [string, string][];
  resolve(result: unknown): void;
  reject(error: Error): void;
}

const TASK = new URL(`./task${extname(import.meta.filename)}`, import.meta.url);
const DEADLINE_MS = 30_000;
/** Until a job begins: the thread starts, and takes in the whole configuration. */
const START_MS = 60_000;
/** A change that needs more is refused, and not the end of the process. */
const HEAP_MB = 1_024;
/** Of what has just been made: V8 keeps three times as much of it as it once needed. */
const YOUNG_MB = 16;
/** Entries of one message: putting them together must not keep the event loop. */
const PART = 100;
/** Further behind than this, the whole configuration is told anew. */
const MAX_PENDING = 200;

export class Checker {
  readonly #options: CheckerOptions;
  readonly #deadlineMs: number;
  #worker: Worker | null = null;
  #closed = false;
  #ids = 0;
  /** In the order in which the thread does them. */
  readonly #asked = new Map<number, Asked>();
  #deadline: NodeJS.Timeout | null = null;
  /** Messages go one after the other, large ones in parts. */
  #sending: Promise<void> = Promise.resolve();
  /** The revision that the thread knows; null: it has to be told everything. */
  #told: number | null = null;
  #pending: Commit[] = [];
  /** A commit of what was checked last is under way: until it is known how it ended no other is told. */
  #publishing = false;
  #kinds: Promise<readonly KindWords[]> | null = null;
  #proxies = new Map<string, Lease>();

  constructor(options: CheckerOptions) {
    this.#options = options;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  }

  /** Starts the thread, so that the first change need not wait for it. */
  start(): void {
    this.kinds().catch(() => {
      // Whoever asks for them hears of it.
    });
  }

  /** What the kinds are called. */
  kinds(): Promise<readonly KindWords[]> {
    this.#kinds ??= this.#ask<readonly KindWords[]>({ does: 'kinds' }).catch((error) => {
      this.#kinds = null;
      throw error;
    });
    return this.#kinds;
  }

  /** Another configuration than the one that was followed. */
  replaced(): void {
    this.#pending = [];
    this.#told = null;
    if (this.#worker !== null) this.#soon();
  }

  committed(commit: Commit): void {
    if (this.#worker === null) return;
    this.#pending.push(commit);
    if (this.#pending.length > MAX_PENDING) this.replaced();
    else if (!this.#publishing) this.#soon();
  }

  decode(files: readonly SourceFile[]): Promise<Decoding> {
    return this.#decoding({ does: 'decode', files }, []);
  }

  /** Each value as a resource that nobody has looked at. */
  decodeValues(values: readonly unknown[]): Promise<Decoding> {
    return this.#decoding(
      { does: 'decodeValues' },
      values.map((value) => ['', value]),
    );
  }

  release({ id }: Decoding): void {
    this.#post({ is: 'release', decoded: id });
  }

  place({ id }: Decoding, problems: readonly Problem[]): Promise<readonly Problem[]> {
    if (problems.length === 0) return Promise.resolve(problems);
    return this.#ask({ does: 'place', decoded: id, problems });
  }

  diff({ id }: Decoding, replaced: readonly Resource[]): Promise<DiffReply> {
    return this.#ask({ does: 'diff', decoded: id, replaced });
  }

  /** Why no proxy could run a module; null: nothing is known against it. */
  describe(module: Uint8Array): Promise<string | null> {
    return this.#ask({ does: 'describe', module });
  }

  /** Against the newest configuration that is known. `target`: the whole state that is wanted. */
  check(change: Wanted, target: Iterable<Entry> = []): Promise<Outcome> {
    return this.#ask({ does: 'check', change }, target);
  }

  /** Called before what was checked last is committed; the result, with its revision once it stands, else with null. */
  publish(): (revision: number | null) => void {
    const worker = this.#worker;
    this.#publishing = true;
    return (revision) => {
      this.#publishing = false;
      if (revision !== null && worker === this.#worker && this.#told === revision - 1) {
        this.#told = revision;
        this.#post({ is: 'adopted', revision });
      }
      this.#soon();
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#end(new CheckerLostError('the control plane ends'));
    await this.#sending;
  }

  #soon(): void {
    void this.#inOrder(() => this.#tell());
  }

  async #decoding(job: Job, entries: readonly Entry[]): Promise<Decoding> {
    const id = ++this.#ids;
    const reply: DecodedReply = await this.#ask(job, entries, id);
    return { ...reply, id };
  }

  #ask<Result>(job: Job, entries: Iterable<Entry> = [], id = ++this.#ids): Promise<Result> {
    return new Promise<unknown>((resolve, reject) => {
      void this.#inOrder(async () => {
        if (this.#closed) {
          reject(new CheckerLostError('the control plane ends'));
          return;
        }
        if (job.does === 'kinds') this.#worker ??= this.#open();
        else await this.#tell();
        await this.#parts(entries);
        this.#asked.set(id, { job, parts: [], resolve, reject });
        this.#post({ is: 'job', id, job });
        if (this.#deadline === null) this.#watch(START_MS);
        if (job.does === 'kinds') await this.#tell();
      });
    }) as Promise<Result>;
  }

  #inOrder(send: () => Promise<void>): Promise<void> {
    this.#sending = this.#sending.then(send);
    return this.#sending;
  }

  /** What the thread does not know yet. */
  async #tell(): Promise<void> {
    if (this.#closed) return;
    this.#worker ??= this.#open();
    await this.#tellProxies();
    if (this.#publishing) return;
    if (this.#told === null) {
      const { revision, resources } = this.#options.state();
      this.#told = revision;
      await this.#parts(resources);
      this.#post({ is: 'state', revision });
    }
    for (let commit = this.#pending.shift(); commit !== undefined; commit = this.#pending.shift()) {
      const { revision, upserts, removals } = commit;
      if (this.#told === null || revision <= this.#told) continue;
      this.#told = revision;
      await this.#parts(upserts.map(({ key, body }) => [key, body]));
      this.#post({ is: 'commit', revision, removals });
    }
  }

  async #tellProxies(): Promise<void> {
    const leases = this.#options.leases();
    const changed: [string, Joined | null][] = [];
    for (const [proxy, lease] of leases) {
      if (this.#proxies.get(proxy) === lease) continue;
      changed.push([proxy, joinedOf(lease)]);
      if (changed.length % PART === 0) await turn();
    }
    for (const proxy of this.#proxies.keys()) if (!leases.has(proxy)) changed.push([proxy, null]);
    if (changed.length === 0) return;
    this.#proxies = new Map(leases);
    for (let at = 0; at < changed.length; at += PART) {
      this.#post({ is: 'proxies', entries: changed.slice(at, at + PART) });
      await turn();
    }
  }

  async #parts(entries: Iterable<Entry>): Promise<void> {
    let part: Entry[] = [];
    for (const entry of entries) {
      part.push(entry);
      if (part.length < PART) continue;
      this.#post({ is: 'part', entries: part });
      part = [];
      await turn();
    }
    if (part.length > 0) this.#post({ is: 'part', entries: part });
  }

  #post(message: ToChecker): void {
    this.#worker?.postMessage(message);
  }

  #open(): Worker {
    const worker = new Worker(TASK, {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
    });
    worker.unref();
    worker.on('message', (message: FromChecker) => this.#hear(message));
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it takes too much memory' : error.message;
      this.#failed(worker, `the change could not be checked: ${why}`);
    });
    return worker;
  }

  #hear(message: FromChecker): void {
    const asked = this.#asked.get(message.id);
    if (asked === undefined) return;
    if (message.is === 'began') {
      this.#watch(this.#deadlineMs);
      return;
    }
    if (message.is === 'part') {
      for (const [key, json] of message.upserts) asked.parts.push([key, json]);
      return;
    }
    this.#asked.delete(message.id);
    this.#watch(START_MS);
    if (message.is === 'failed') asked.reject(new Error(message.why));
    else if (asked.parts.length === 0) asked.resolve(message.result);
    else {
      const outcome = message.result as Outcome;
      asked.resolve({ ...outcome, upserts: [...asked.parts, ...outcome.upserts] });
    }
  }

  /** The job that is being done, or comes next, has so long. */
  #watch(ms: number): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
    if (this.#asked.size === 0) return;
    this.#deadline = setTimeout(() => {
      this.#failed(this.#worker!, `the change could not be checked within ${ms / 1000} s`);
    }, ms);
    this.#deadline.unref();
  }

  /** It costs the job that was being done, and nobody else. */
  #failed(worker: Worker, why: string): void {
    if (worker !== this.#worker) return;
    const [first] = this.#asked;
    this.#options.onLog?.(`the thread that checks changes is started again: ${why}`);
    if (first !== undefined) {
      const [id, asked] = first;
      this.#asked.delete(id);
      asked.reject(new ApiError(422, `${why}: nothing was changed`));
    }
    this.#end(new CheckerLostError('the thread that checks changes was started again'));
  }

  #end(error: Error): void {
    const worker = this.#worker;
    this.#worker = null;
    this.#told = null;
    this.#pending = [];
    this.#proxies = new Map();
    const lost = [...this.#asked.values()];
    this.#asked.clear();
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
    for (const { reject } of lost) reject(error);
    void worker?.terminate();
  }
}
