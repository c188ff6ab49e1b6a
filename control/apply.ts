// How configuration changes: it is decoded, planned on the newest state and checked with all that it leads to, by a thread of its
// own, then committed. When somebody else commits first, it is planned and checked again on theirs. Nothing is written before.
import { setImmediate as turn } from 'node:timers/promises';
import {
  type Bus,
  BusUnavailableError,
  type Commit,
  type ConfigState,
  ConflictError,
  type Origin,
  type Position,
  type StoredResource,
} from '../bus/types.ts';
import type { Problem, Resource } from '../core/config/resource.ts';
import type { Caller } from './access/caller.ts';
import { checkChange } from './access/permissions.ts';
import { ApiError } from './api-error.ts';
import { type Checker, CheckerLostError, type Decoding } from './checker/checker.ts';
import type { Entry, Outcome, SourceFile, Wanted } from './checker/messages.ts';
import { refuse, refuseModules } from './refuse.ts';
import type { Store } from './store.ts';

/** Modules that the command line has read from its disk and stored: their digests, by the URL that names the file. */
export type ModuleFiles = Readonly<Record<string, string>>;

export interface ChangeOptions {
  readonly by: Caller;
  readonly dryRun?: boolean;
  /** The revision the caller looked at: another one is a conflict. Without it the change goes onto whatever is newest. */
  readonly parent?: number;
  readonly message?: string;
}

/** A ChangeResult, put together where it was found. */
export interface Made {
  readonly revision: number;
  readonly parent: number;
  /** JSON of what became of each key. */
  readonly changes: string;
  /** JSON of problems. */
  readonly warnings: string;
}

export interface WriterParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly checker: Checker;
  /** Why nothing can be written now, as a clause, or ''. */
  natsTrouble(): Promise<string>;
  /** WasmPlugins with the digests of what their URLs stand for; without `store` nothing is written. */
  resolveModules(
    resources: readonly Resource[],
    state: ConfigState,
    files: ModuleFiles,
    store: boolean,
  ): Promise<{ readonly resources: readonly Resource[]; readonly problems: readonly Problem[] }>;
  /** Problems of resources that name modules which are not stored. */
  absentModules(resources: readonly Resource[]): Promise<readonly Problem[]>;
  /** Called right before a commit is published; what it returns, with the commit when it stands. */
  onPublish(): (commit: Commit) => void;
}

/** What is asked of the thread, and where the texts of it are. */
interface Change {
  readonly wanted: Wanted;
  readonly target?: Iterable<Entry>;
  readonly decoding: Decoding | null;
}

type Messaged = ChangeOptions & { readonly message: string };

const MAX_ATTEMPTS = 20;
const MAX_WAITING = 200;
const ARRIVAL_MS = 5_000;
/** Of a change that loses the thread because of others. */
const MAX_LOSSES = 3;
/** Bodies that are read without a pause. */
const SLICE = 200;

export class Writer {
  readonly #parts: WriterParts;
  /** Changes made here are made one after another; only other control planes can come between. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Throws ApiError: 409, 422 with every problem, 502 when a module's source does not answer. `modules`: see ModuleFiles. */
  apply(files: readonly SourceFile[], options: ChangeOptions, modules: ModuleFiles = {}): Promise<Made> {
    const message = options.message || `apply ${files.length === 1 ? files[0].name : `${files.length} files`}`;
    return this.#decoded(files, options.by, async (decoding) => {
      const replaced = await this.#resolved(decoding, modules, options.dryRun !== true);
      const wanted: Wanted = { wants: 'apply', decoded: decoding.id, replaced };
      return this.#change({ wanted, decoding }, { ...options, message });
    });
  }

  /** Throws ApiError: 404 when none of the keys exists, 409, 422. */
  async delete(keys: readonly string[], options: ChangeOptions): Promise<Made> {
    checkChange(options.by, keys);
    const message = options.message || deletes(keys.length, keys[0]);
    const change: Change = { wanted: { wants: 'delete', keys }, decoding: null };
    return this.#unlessLost(() => this.#change(change, { ...options, message }));
  }

  /** Deletes what files name. Throws as `delete` does. */
  deleteFiles(files: readonly SourceFile[], options: ChangeOptions): Promise<Made> {
    return this.#decoded(files, options.by, async (decoding) => {
      if (decoding.resources === 0) throw new ApiError(404, 'the files name no resource');
      const message = options.message || deletes(decoding.resources, decoding.first);
      const wanted: Wanted = { wants: 'deleteDecoded', decoded: decoding.id };
      return this.#change({ wanted, decoding }, { ...options, message });
    });
  }

  /** A new commit with the state of an older revision. Throws ApiError: 404, 409, 422. */
  async rollback(to: number, options: ChangeOptions): Promise<Made> {
    const { bus, store } = this.#parts;
    const target = await bus.config.at(to);
    if (target === null) {
      const newest = store.state.revision;
      throw new ApiError(404, to > newest ? noSuchRevision(to, newest) : `revision ${to} is no longer kept`);
    }
    const change: Change = { wanted: { wants: 'state' }, target: target.resources, decoding: null };
    const message = options.message || `rollback to revision ${to}`;
    return this.#unlessLost(() => this.#change(change, { ...options, message }));
  }

  /**
   * Makes this the whole configuration, and lets proxies take it whatever they run. `at`: where it stood, if that is known. Throws
   * ApiError 422.
   */
  restore(values: readonly unknown[], at: Position | null, options: ChangeOptions): Promise<Made> {
    return this.#keeping(
      () => this.#parts.checker.decodeValues(values),
      (decoding) => this.#inTurn(() => this.#restore(decoding, at, options)),
    );
  }

  /** What `apply` would change, as JSON of a list. Throws ApiError 422, 502. */
  diff(
    files: readonly SourceFile[],
    by: Caller,
    modules: ModuleFiles = {},
  ): Promise<{ revision: number; diffs: string }> {
    return this.#decoded(files, by, async (decoding) =>
      this.#parts.checker.diff(decoding, await this.#resolved(decoding, modules, false)),
    );
  }

  /** Before anything is fetched or planned for it: whether the caller may change what the files name. */
  #decoded<Result>(
    files: readonly SourceFile[],
    by: Caller,
    use: (decoding: Decoding) => Promise<Result>,
  ): Promise<Result> {
    return this.#keeping(
      () => this.#parts.checker.decode(files),
      async (decoding) => {
        checkChange(by, decoding.places);
        return use(decoding);
      },
    );
  }

  /** Refuses what could not be decoded. */
  #keeping<Result>(decode: () => Promise<Decoding>, use: (decoding: Decoding) => Promise<Result>): Promise<Result> {
    return this.#unlessLost(async () => {
      const decoding = await decode();
      try {
        refuse(decoding.problems);
        return await use(decoding);
      } finally {
        this.#parts.checker.release(decoding);
      }
    });
  }

  /** What lost the thread because of somebody else begins anew: nothing of it was written. */
  async #unlessLost<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let losses = 1; ; losses++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof CheckerLostError)) throw error;
        if (losses === MAX_LOSSES) throw new ApiError(503, `${error.message}: nothing was changed; try again`);
      }
    }
  }

  /** Fetches before it is this change's turn: what is slow holds up nobody else. Throws ApiError 422, 502. */
  async #resolved(decoding: Decoding, modules: ModuleFiles, store: boolean): Promise<readonly Resource[]> {
    if (decoding.plugins.length === 0) return [];
    const { state } = this.#parts.store;
    const { resources, problems } = await this.#parts.resolveModules(decoding.plugins, state, modules, store);
    refuseModules(await this.#parts.checker.place(decoding, problems));
    return resources;
  }

  #change(change: Change, options: Messaged): Promise<Made> {
    return this.#inTurn(() => this.#attempt(change, options));
  }

  async #inTurn(change: () => Promise<Made>): Promise<Made> {
    if (this.#waiting >= MAX_WAITING) throw new ApiError(503, 'too many changes are being made at once; try again');
    this.#waiting++;
    const turn = this.#last.then(change).finally(() => {
      this.#waiting--;
    });
    this.#last = turn.catch(() => {
      // Whoever asked hears of it; the next one begins anew.
    });
    return turn;
  }

  async #attempt(change: Change, options: Messaged): Promise<Made> {
    const { bus, store, checker } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const known = store.state.revision;
      if (options.parent !== undefined && options.parent !== known) throw new ConflictError(options.parent, known);
      const outcome = await checker.check(change.wanted, change.target);
      const { revision, upserts, removals, changes, warnings } = outcome;
      checkChange(options.by, removals);
      checkChange(
        options.by,
        upserts.map(([key]) => key),
      );
      await this.#refuse(outcome, change.decoding);
      const nothing = upserts.length === 0 && removals.length === 0;
      if (nothing || options.dryRun === true) return { revision, parent: revision, changes, warnings };
      if (!bus.connected) throw new BusUnavailableError('NATS, which keeps the configuration, is not connected');
      // A server without room would not even say so.
      const trouble = await this.#parts.natsTrouble();
      if (trouble !== '') throw new BusUnavailableError(trouble);
      try {
        const { by, message, parent = revision } = options;
        const commit = await this.#commit({ parent, author: by.name, origin: by.origin, message }, outcome);
        await store.reach(commit.revision, ARRIVAL_MS);
        return { revision: commit.revision, parent: commit.parent, changes, warnings };
      } catch (error) {
        if (!(error instanceof ConflictError) || options.parent !== undefined) throw error;
        if (attempt === MAX_ATTEMPTS) {
          throw new ApiError(409, `others changed the configuration ${MAX_ATTEMPTS} times in a row; try again`);
        }
        await store.reach(error.actual, ARRIVAL_MS);
      }
    }
  }

  async #commit(
    head: { parent: number; author: string; origin: Origin; message: string },
    outcome: Outcome,
  ): Promise<Commit> {
    const { bus, checker, onPublish } = this.#parts;
    const upserts = await bodies(outcome);
    const settled = checker.publish();
    const published = onPublish();
    let stands: number | null = null;
    try {
      const commit = await bus.config.commit({ ...head, upserts, removals: outcome.removals });
      published(commit);
      stands = commit.revision;
      return commit;
    } finally {
      settled(stands);
    }
  }

  async #restore(decoding: Decoding, at: Position | null, options: ChangeOptions): Promise<Made> {
    const { bus, store, checker } = this.#parts;
    const outcome = await checker.check({ wants: 'restore', decoded: decoding.id });
    refuse(await this.#parts.absentModules(outcome.modules));
    refuse(outcome.refusal);
    const { state } = store;
    const { changes, warnings } = outcome;
    if (options.dryRun === true) return { revision: state.revision, parent: state.revision, changes, warnings };
    const resources = await bodies(outcome);
    const published = this.#parts.onPublish();
    const commit = await bus.config.restore({
      parent: options.parent,
      author: options.by.name,
      origin: options.by.origin,
      message: options.message || 'restore',
      resources,
      at: at ?? (state.revision > 0 ? state : null),
    });
    published(commit);
    await store.reach(commit.revision, ARRIVAL_MS);
    return { revision: commit.revision, parent: commit.parent, changes, warnings };
  }

  async #refuse({ missing, modules, refusal }: Outcome, decoding: Decoding | null): Promise<void> {
    const { bus, checker } = this.#parts;
    if (missing !== null) {
      throw new ApiError(404, `not found: ${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ', ...' : ''}`);
    }
    if (bus.connected && modules.length > 0) {
      const absent = await this.#parts.absentModules(modules);
      refuse(decoding === null ? absent : await checker.place(decoding, absent));
    }
    refuse(refusal);
  }
}

export function noSuchRevision(revision: number, newest: number): string {
  return `there is no revision ${revision}: the newest is ${newest}`;
}

function deletes(count: number, first: string): string {
  return `delete ${count === 1 ? first : `${count} resources`}`;
}

/** What is to be written, read a few at a time. */
async function bodies({ upserts }: Outcome): Promise<StoredResource[]> {
  const stored: StoredResource[] = [];
  for (const [key, json] of upserts) {
    stored.push({ key, body: JSON.parse(json) });
    if (stored.length % SLICE === 0) await turn();
  }
  return stored;
}
