// The configuration as whoever checks changes knows it, with what was found out about it: a change costs what it has to do with.
// What is checked is tried on the state itself, and taken back unless it becomes the configuration.
import { type Concern, CrossChecks, identity } from '../../core/config/cross-checks.ts';
import { type DecodedText, placeProblems } from '../../core/config/decode.ts';
import { findKind } from '../../core/config/kind-names.ts';
import { isError } from '../../core/config/problem.ts';
import type { Problem, Resource } from '../../core/config/resource.ts';
import { DryRuns } from '../../core/snapshot/dry-runs.ts';
import type { Node } from '../../core/workload.ts';
import type { KeyChange } from '../answers.ts';
import type { Entry, Joined } from './messages.ts';
import type { Plan } from './plan.ts';

/** Texts as they were decoded. */
export type Decoded = Pick<DecodedText, 'problems' | 'origins'> & { readonly resources: readonly Resource[] };

export const NOTHING_DECODED: Decoded = { resources: [], problems: [], origins: new Map() };

/** Bodies by key; null: it goes, or was not there. */
type Bodies = ReadonlyMap<string, unknown>;

export interface Found {
  /** Errors, or nothing. */
  readonly refusal: readonly Problem[];
  /** What is new, and all about what the change names. */
  readonly warnings: readonly Problem[];
}

const MAX_PROBLEMS = 1_000;

export class CheckedState {
  #revision = 0;
  #checks = new CrossChecks();
  #runs = new DryRuns();
  /** Of kinds that this version does not know. */
  #unknown = new Map<string, unknown>();
  /** How what is tried now is taken back; null: nothing is. */
  #tried: Bodies | null = null;
  readonly #joined = new Map<string, Joined>();
  /** How many proxies serve each. */
  readonly #hosts = new Map<string, number>();

  get revision(): number {
    return this.#revision;
  }

  /** A body as the configuration has it, whatever is tried now. */
  readonly find = (key: string): unknown => {
    const tried = this.#tried;
    if (tried?.has(key)) return tried.get(key) ?? undefined;
    return this.#checks.resources.get(key) ?? this.#unknown.get(key);
  };

  *keys(): Iterable<string> {
    yield* this.#checks.resources.keys();
    yield* this.#unknown.keys();
  }

  /** This is the whole configuration. */
  begin(revision: number, entries: readonly Entry[]): void {
    this.#tried = null;
    this.#checks = new CrossChecks();
    this.#runs = new DryRuns();
    this.#unknown = new Map();
    this.#checks.change({ resources: new Map(), hosts: { here: this.#hosts.keys(), gone: [] } });
    this.#change(new Map(entries));
    this.#revision = revision;
  }

  commit(revision: number, upserts: readonly Entry[], removals: readonly string[]): void {
    this.takeBack();
    this.#change(new Map([...removals.map((key): Entry => [key, null]), ...upserts]));
    this.#revision = revision;
  }

  /** What is tried is the configuration now. */
  adopt(revision: number): void {
    this.#tried = null;
    this.#revision = revision;
  }

  takeBack(): void {
    const tried = this.#tried;
    this.#tried = null;
    if (tried !== null) this.#change(tried);
  }

  joined(entries: readonly (readonly [string, Joined | null])[]): void {
    const changed = new Set<string>();
    const before = new Map<string, boolean>();
    const count = (host: string, more: number): void => {
      if (!before.has(host)) before.set(host, this.#hosts.has(host));
      const left = (this.#hosts.get(host) ?? 0) + more;
      if (left > 0) this.#hosts.set(host, left);
      else this.#hosts.delete(host);
      changed.add(host);
    };
    for (const [proxy, joined] of entries) {
      for (const host of this.#joined.get(proxy)?.hosts ?? []) count(host, -1);
      if (joined === null) this.#joined.delete(proxy);
      else {
        this.#joined.set(proxy, joined);
        for (const host of joined.hosts) count(host, 1);
      }
    }
    const here = [...changed].filter((host) => !before.get(host) && this.#hosts.has(host));
    const gone = [...changed].filter((host) => before.get(host) && !this.#hosts.has(host));
    if (here.length + gone.length > 0) this.#checks.change({ resources: new Map(), hosts: { here, gone } });
  }

  /** Tries a plan, which stays until it is adopted or taken back. `decoded`: what it came from. */
  try({ changes, upserts, removals }: Plan, decoded: Decoded): Found {
    this.takeBack();
    const { concern, before } = this.#change(new Map([...removals.map((key): Entry => [key, null]), ...upserts]));
    this.#tried = before;
    const warnings = this.#news(changes, concern, decoded);
    const resources = this.#checks.resources;
    const changed = new Set(changes.map(({ key }) => key));
    const nodes = this.#nodes();
    const known = new Map([...before].map(([key, body]) => [key, this.#unknown.has(key) ? null : (body as Resource)]));
    const around = (): Map<string, Resource> => this.#checks.around(new Set([...concern.resources, ...changed]));
    const errors = this.#runs.problems({ resources, before: known, changed, nodes, around });
    const refusal = errors.length === 0 ? [] : [...warnings, ...placeProblems(errors, decoded)];
    return { refusal, warnings };
  }

  #change(bodies: Bodies): { concern: Concern; before: Map<string, unknown> } {
    const before = new Map<string, unknown>();
    const known = new Map<string, Resource | null>();
    const old = new Map<string, Resource | null>();
    for (const [key, body] of bodies) {
      const resource = this.#checks.resources.get(key) ?? null;
      before.set(key, resource ?? this.#unknown.get(key) ?? null);
      this.#unknown.delete(key);
      const isKnown = body !== null && findKind((body as Resource).apiVersion, (body as Resource).kind) !== null;
      if (body !== null && !isKnown) this.#unknown.set(key, body);
      if (!isKnown && resource === null) continue;
      old.set(key, resource);
      known.set(key, isKnown ? (body as Resource) : null);
    }
    const concern = this.#checks.change({ resources: known });
    this.#runs.change(known, old);
    return { concern, before };
  }

  /** Warnings about what the change names, and those that it causes elsewhere. */
  #news(changes: readonly KeyChange[], { warnings }: Concern, decoded: Decoded): Problem[] {
    const named = new Set(changes.map(({ key }) => key));
    const about = [...named].flatMap((key) => [...this.#checks.about(key)]);
    const elsewhere = warnings.filter(({ resource }) => !named.has(resource ?? ''));
    const found = placeProblems([...about, ...elsewhere].slice(0, MAX_PROBLEMS), decoded);
    const told = new Set<string>();
    return [...this.#strangers(), ...decoded.problems, ...found]
      .filter((problem) => {
        const id = identity(problem);
        if (told.has(id)) return false;
        told.add(id);
        return !isError(problem);
      })
      .slice(0, MAX_PROBLEMS);
  }

  /** A warning of what another version wrote. */
  #strangers(): Problem[] {
    const { size } = this.#unknown;
    if (size === 0) return [];
    const first = [...this.#unknown.keys()].slice(0, 3).join(', ');
    const what = size === 1 ? 'a resource' : `${size} resources`;
    const message = `${what} of kinds that this version does not know stay as they are and are not checked: ${first}`;
    return [{ severity: 'warning', code: 'kind', message }];
  }

  #nodes(): Node[] {
    return [...this.#joined.values()].flatMap(({ node }) => node ?? []);
  }
}
