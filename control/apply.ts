// How configuration changes: decode, plan on the newest state, validate the whole state that would come of it, commit. When
// somebody else commits first, plan and validate again on theirs. Nothing is written before everything was checked.
import { isDeepStrictEqual } from 'node:util';
import { EMPTY_STATE } from '../bus/commit-format.ts';
import {
  type Bus,
  BusUnavailableError,
  type Commit,
  type ConfigState,
  ConflictError,
  type Position,
} from '../bus/types.ts';
import {
  decodeFiles,
  decodeFilesInSlices,
  decodeResources,
  placeProblems,
  type SourceText,
} from '../core/config/decode.ts';
import { isError } from '../core/config/problem.ts';
import { type Problem, type Resource, resourceKey } from '../core/config/resource.ts';
import { crossCheck } from '../core/config/validate.ts';
import type { Caller } from './access/caller.ts';
import { ApiError } from './api-error.ts';
import { checkState, type Decoded, knownOf, refuse, refuseModules } from './check.ts';
import { resourcesOf, type Store } from './store.ts';

export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** Modules that the command line has read from its disk and stored: their digests, by the URL that names the file. */
export type ModuleFiles = Readonly<Record<string, string>>;

export interface ChangeOptions {
  readonly by: Caller;
  readonly dryRun?: boolean;
  /** The revision the caller looked at: another one is a conflict. Without it the change goes onto whatever is newest. */
  readonly parent?: number;
  readonly message?: string;
}

export type ChangeKind = 'created' | 'configured' | 'unchanged' | 'deleted' | 'missing';

export interface KeyChange {
  readonly key: string;
  readonly change: ChangeKind;
}

export interface ChangeResult {
  readonly revision: number;
  readonly parent: number;
  readonly changes: KeyChange[];
  readonly warnings: Problem[];
}

export interface Difference {
  readonly key: string;
  readonly change: ChangeKind;
  readonly before: Resource | null;
  readonly after: Resource | null;
}

export interface WriterParts {
  readonly bus: Bus;
  readonly store: Store;
  /** Why nothing can be written now, as a clause, or ''. */
  natsTrouble(): Promise<string>;
  /** Full names of hosts that workloads registered by themselves. */
  knownHosts(): Iterable<string>;
  /** A dry run of the real compile; `changed`: keys of what is new. */
  validateSnapshot(resources: ReadonlyMap<string, Resource>, changed: ReadonlySet<string>): readonly Problem[];
  /** Problems of resources that name modules which are not stored. */
  /** WasmPlugins with the digests of what their URLs stand for; without `store` nothing is written. */
  resolveModules(
    resources: readonly Resource[],
    state: ConfigState,
    files: ModuleFiles,
    store: boolean,
  ): Promise<{ readonly resources: readonly Resource[]; readonly problems: readonly Problem[] }>;
  absentModules(resources: readonly Resource[]): Promise<readonly Problem[]>;
  /** Called right before a commit is published; what it returns, with the commit when it stands. */
  onPublish(): (commit: Commit) => void;
}

/** The state that a change leads to, beside what it says about it. */
interface Plan {
  readonly changes: KeyChange[];
  readonly upserts: readonly Resource[];
  readonly removals: readonly string[];
}

const MAX_ATTEMPTS = 20;
const MAX_WAITING = 200;
const ARRIVAL_MS = 5_000;
const MAX_PROBLEMS = 1_000;

export class Writer {
  readonly #parts: WriterParts;
  /** Changes made here are made one after another; only other control planes can come between. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Throws ApiError: 409, 422 with every problem, 502 when a module's source does not answer. `modules`: see ModuleFiles. */
  async apply(files: readonly SourceFile[], options: ChangeOptions, modules: ModuleFiles = {}): Promise<ChangeResult> {
    const decoded = await this.#resolved(await decodeInSlices(files), modules, options.dryRun !== true);
    const message = options.message || `apply ${named(files)}`;
    return this.#change((state) => planApply(state, decoded.resources), { ...options, message }, decoded);
  }

  /** Throws ApiError: 404 when none of the keys exists, 409, 422. */
  async delete(keys: readonly string[], options: ChangeOptions): Promise<ChangeResult> {
    const message = options.message || `delete ${keys.length === 1 ? keys[0] : `${keys.length} resources`}`;
    return this.#change((state) => planDelete(state, keys), { ...options, message });
  }

  /** A new commit with the state of an older revision. Throws ApiError: 404, 409, 422. */
  async rollback(to: number, options: ChangeOptions): Promise<ChangeResult> {
    const { bus, store } = this.#parts;
    const target = await bus.config.at(to);
    if (target === null) {
      const newest = store.state.revision;
      throw new ApiError(404, to > newest ? noSuchRevision(to, newest) : `revision ${to} is no longer kept`);
    }
    const message = options.message || `rollback to revision ${to}`;
    return this.#change((state) => planState(state, target), { ...options, message });
  }

  /**
   * Makes this the whole configuration, and lets proxies take it whatever they run. `at`: where it stood, if that is known. Throws
   * ApiError 422.
   */
  async restore(values: readonly unknown[], at: Position | null, options: ChangeOptions): Promise<ChangeResult> {
    const { resources, problems } = decodeResources(values);
    refuse(problems);
    return this.#inTurn(async () => {
      const { bus, store } = this.#parts;
      const { state } = store;
      const target = new Map(resources.map((resource) => [resourceKey(resource), resource]));
      const { changes } = planState(state, { ...EMPTY_STATE, resources: target });
      refuse(await this.#parts.absentModules(resources));
      const warnings = this.#check(EMPTY_STATE, { changes, upserts: resources, removals: [] }, NOTHING_DECODED);
      if (options.dryRun === true) return { revision: state.revision, parent: state.revision, changes, warnings };
      const published = this.#parts.onPublish();
      const { revision, parent } = await bus.config
        .restore({
          parent: options.parent,
          author: options.by.name,
          origin: options.by.origin,
          message: options.message || 'restore',
          resources: resources.map((resource) => ({ key: resourceKey(resource), body: resource })),
          at: at ?? (state.revision > 0 ? state : null),
        })
        .then((commit) => {
          published(commit);
          return commit;
        });
      await store.reach(revision, ARRIVAL_MS);
      return { revision, parent, changes, warnings };
    });
  }

  /** What `apply` would change. Throws ApiError 422, 502. */
  async diff(
    files: readonly SourceFile[],
    modules: ModuleFiles = {},
  ): Promise<{ revision: number; diffs: Difference[] }> {
    const { resources, problems } = await this.#resolved(await decodeInSlices(files), modules, false);
    refuse(problems);
    const { state } = this.#parts.store;
    const after = new Map(resources.map((resource) => [resourceKey(resource), resource]));
    return {
      revision: state.revision,
      diffs: planApply(state, resources).changes.map(({ key, change }) => ({
        key,
        change,
        before: (state.resources.get(key) as Resource | undefined) ?? null,
        after: after.get(key) ?? null,
      })),
    };
  }

  /** Fetches before it is this change's turn: what is slow holds up nobody else. Throws ApiError 422, 502. */
  async #resolved(decoded: Decoded, modules: ModuleFiles, store: boolean): Promise<Decoded> {
    if (decoded.problems.some(isError) || !decoded.resources.some(({ kind }) => kind === 'WasmPlugin')) return decoded;
    const { state } = this.#parts.store;
    const { resources, problems } = await this.#parts.resolveModules(decoded.resources, state, modules, store);
    refuseModules(placeProblems(problems, decoded));
    return { ...decoded, resources };
  }

  #change(
    plan: (state: ConfigState) => Plan,
    options: ChangeOptions & { readonly message: string },
    decoded: Decoded = NOTHING_DECODED,
  ): Promise<ChangeResult> {
    return this.#inTurn(() => this.#attempt(plan, options, decoded));
  }

  async #inTurn(change: () => Promise<ChangeResult>): Promise<ChangeResult> {
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

  async #attempt(
    plan: (state: ConfigState) => Plan,
    options: ChangeOptions & { readonly message: string },
    decoded: Decoded,
  ): Promise<ChangeResult> {
    const { bus, store } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const { state } = store;
      const { revision } = state;
      if (options.parent !== undefined && options.parent !== revision)
        throw new ConflictError(options.parent, revision);
      const planned = plan(state);
      if (bus.connected) refuse(placeProblems(await this.#parts.absentModules(planned.upserts), decoded));
      const warnings = this.#check(state, planned, decoded);
      const outcome = { changes: planned.changes, warnings };
      const nothing = planned.upserts.length === 0 && planned.removals.length === 0;
      if (nothing || options.dryRun === true) return { revision, parent: revision, ...outcome };
      if (!bus.connected) throw new BusUnavailableError('NATS, which keeps the configuration, is not connected');
      // A server without room would not even say so.
      const trouble = await this.#parts.natsTrouble();
      if (trouble !== '') throw new BusUnavailableError(trouble);
      const published = this.#parts.onPublish();
      try {
        const commit = await bus.config.commit({
          parent: revision,
          author: options.by.name,
          origin: options.by.origin,
          message: options.message,
          upserts: planned.upserts.map((resource) => ({ key: resourceKey(resource), body: resource })),
          removals: planned.removals,
        });
        published(commit);
        await store.reach(commit.revision, ARRIVAL_MS);
        return { revision: commit.revision, parent: commit.parent, ...outcome };
      } catch (error) {
        if (!(error instanceof ConflictError) || options.parent !== undefined) throw error;
        if (attempt === MAX_ATTEMPTS) {
          throw new ApiError(409, `others changed the configuration ${MAX_ATTEMPTS} times in a row; try again`);
        }
        await store.reach(error.actual, ARRIVAL_MS);
      }
    }
  }

  /** Validates the state after a plan. Returns the warnings that are about it, throws ApiError 422 with all problems. */
  #check(state: ConfigState, plan: Plan, decoded: Decoded): Problem[] {
    const next = new Map(state.resources);
    for (const key of plan.removals) next.delete(key);
    for (const resource of plan.upserts) next.set(resourceKey(resource), resource);
    const changed = new Set(plan.changes.map(({ key }) => key));
    const known = knownOf(next);
    const problems = checkState(known.state, decoded, {
      hosts: this.#parts.knownHosts(),
      compile: (resources) => this.#parts.validateSnapshot(resources, changed),
    });
    problems.unshift(...known.problems);
    return this.#news(state, plan, problems);
  }

  #crossCheck(resources: ReadonlyMap<string, unknown>): Problem[] {
    return crossCheck(knownOf(resources).state, { hosts: this.#parts.knownHosts() });
  }

  /** Warnings about what the change touches, and those that it causes elsewhere. */
  #news(state: ConfigState, plan: Plan, problems: readonly Problem[]): Problem[] {
    const touched = new Set(plan.changes.map(({ key }) => key));
    const elsewhere = problems.some(({ resource }) => resource !== undefined && !touched.has(resource));
    const before = new Set<string>();
    if (elsewhere) {
      for (const each of this.#crossCheck(state.resources)) before.add(identity(each));
    }
    const told = new Set<string>();
    return problems
      .filter((problem) => {
        const id = identity(problem);
        const about = problem.resource === undefined || touched.has(problem.resource);
        if (told.has(id) || (!about && before.has(id))) return false;
        told.add(id);
        return true;
      })
      .slice(0, MAX_PROBLEMS);
  }
}

export function noSuchRevision(revision: number, newest: number): string {
  return `there is no revision ${revision}: the newest is ${newest}`;
}

const NOTHING_DECODED: Decoded = { resources: [], problems: [], origins: new Map() };

/** All files as one change: a resource that comes twice is a problem. */
export function decodeSources(files: readonly SourceFile[]): Decoded {
  return decodeFiles(files.map(sourceText));
}

/** decodeSources where others wait for answers meanwhile. */
export function decodeInSlices(files: readonly SourceFile[]): Promise<Decoded> {
  return decodeFilesInSlices(files.map(sourceText));
}

function sourceText({ name, text }: SourceFile): SourceText {
  return { text, file: name };
}

function planApply(state: ConfigState, resources: readonly Resource[]): Plan {
  const changes: KeyChange[] = [];
  const upserts: Resource[] = [];
  for (const resource of resources) {
    const key = resourceKey(resource);
    const before = state.resources.get(key);
    const same = before !== undefined && isDeepStrictEqual(before, asStored(resource));
    if (!same) upserts.push(resource);
    changes.push({ key, change: before === undefined ? 'created' : same ? 'unchanged' : 'configured' });
  }
  return { changes, upserts, removals: [] };
}

function planDelete(state: ConfigState, keys: readonly string[]): Plan {
  const asked = [...new Set(keys)];
  const removals = asked.filter((key) => state.resources.has(key));
  if (removals.length === 0) {
    throw new ApiError(404, `not found: ${asked.slice(0, 10).join(', ')}${asked.length > 10 ? ', ...' : ''}`);
  }
  const changes = asked.map((key): KeyChange => ({ key, change: state.resources.has(key) ? 'deleted' : 'missing' }));
  return { changes, upserts: [], removals };
}

function planState(state: ConfigState, target: ConfigState): Plan {
  const applied = planApply(state, resourcesOf(target));
  const removals = [...state.resources.keys()].filter((key) => !target.resources.has(key));
  const changes = [
    ...applied.changes.filter(({ change }) => change !== 'unchanged'),
    ...removals.map((key): KeyChange => ({ key, change: 'deleted' })),
  ];
  return { changes, upserts: applied.upserts, removals };
}

/** As it comes back from the log: without fields that JSON does not carry. */
function asStored(resource: Resource): unknown {
  return JSON.parse(JSON.stringify(resource));
}

function identity({ code, message, resource, pointer }: Problem): string {
  return JSON.stringify([code, message, resource, pointer]);
}

function named(files: readonly SourceFile[]): string {
  return files.length === 1 ? files[0].name : `${files.length} files`;
}
