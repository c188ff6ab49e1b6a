// Checks between resources, kept from change to change: what a change concerns is checked again and nothing else. Everything
// here is a warning: as in Istio, order of applying does not matter.

import { type Fact, hostFact, ResourceInventory } from './inventory.ts';
import type { Kind, Warn } from './kind.ts';
import { KINDS, type KindName } from './kind-names.ts';
import { kindName, type Problem, type Resource, resourceKey } from './resource.ts';
import { unenforced } from './unenforced.ts';
import { pointer } from './walk.ts';

export interface CheckedChange {
  /** By key; null: it goes. */
  readonly resources: ReadonlyMap<string, Resource | null>;
  /** Hosts that workloads registered by themselves, and that they no longer do. */
  readonly hosts?: { readonly here: Iterable<string>; readonly gone: Iterable<string> };
}

/** What is known of one resource. */
interface Checked {
  /** Of itself and of what it refers to. */
  readonly warnings: readonly Problem[];
  /** Sets of resources that may get in each other's way, of which it is one. */
  readonly groups: readonly string[];
  readonly rests: ReadonlySet<Fact>;
}

interface Group {
  readonly kind: Kind;
  readonly name: string;
  readonly members: Set<string>;
  warnings: readonly Problem[];
}

/** What a change has to do with. */
export interface Concern {
  /** That were not there before, of whichever resources. */
  readonly warnings: readonly Problem[];
  /** Keys: what changed, what refers to it, what shares a host with it. Those of what went, too. */
  readonly resources: ReadonlySet<string>;
}

const HOST = hostFact('');
const NOBODY = { here: [], gone: [] };

export class CrossChecks {
  readonly #resources = new Map<string, Resource>();
  readonly #inventory: ResourceInventory;
  readonly #checked = new Map<string, Checked>();
  readonly #groups = new Map<string, Group>();
  /** Keys of resources whose checks rest on a fact. */
  readonly #resting = new Map<Fact, Set<string>>();

  constructor(domain?: string) {
    this.#inventory = new ResourceInventory(domain);
  }

  get resources(): ReadonlyMap<string, Resource> {
    return this.#resources;
  }

  change({ resources, hosts = NOBODY }: CheckedChange): Concern {
    for (const [key, resource] of resources) {
      if (resource === null) this.#resources.delete(key);
      else this.#resources.set(key, resource);
    }
    const facts = new Set<Fact>();
    this.#inventory.change(resources, hosts, facts);
    const again = new Set(resources.keys());
    for (const fact of facts) for (const key of this.#resting.get(fact) ?? []) again.add(key);
    const before = new Set<string>();
    const groups = new Set<string>();
    for (const key of again) this.#forget(key, groups, before);
    const news: Problem[] = [];
    for (const key of again) {
      const resource = this.#resources.get(key);
      if (resource !== undefined) news.push(...this.#check(key, resource, groups).warnings);
    }
    for (const id of groups) news.push(...this.#conflicts(id, before));
    for (const id of groups) for (const key of this.#groups.get(id)?.members ?? []) again.add(key);
    for (const key of this.#patternsOver(facts)) again.add(key);
    return { warnings: news.filter((problem) => !before.has(identity(problem))), resources: again };
  }

  /** With what resources refer to, as far as it is there. */
  around(keys: Iterable<string>): Map<string, Resource> {
    const found = new Map<string, Resource>();
    const add = (key: string): void => {
      const resource = this.#resources.get(key);
      if (resource !== undefined) found.set(key, resource);
    };
    const facts = new Set<Fact>();
    for (const key of keys) {
      add(key);
      for (const fact of this.#checked.get(key)?.rests ?? []) facts.add(fact);
    }
    for (const fact of facts) for (const key of this.#inventory.behind(fact)) add(key);
    return found;
  }

  /** Whoever names a pattern that covers a host that came or went. */
  *#patternsOver(facts: ReadonlySet<Fact>): Iterable<string> {
    for (const fact of facts) {
      if (!fact.startsWith(HOST)) continue;
      const host = fact.slice(HOST.length);
      for (let i = 1; i < host.length; i++) yield* this.#resting.get(hostFact(`*${host.slice(i)}`)) ?? [];
    }
  }

  /** All that is said of one resource. */
  *about(key: string): Iterable<Problem> {
    const checked = this.#checked.get(key);
    if (checked === undefined) return;
    yield* checked.warnings;
    for (const id of checked.groups) {
      for (const problem of this.#groups.get(id)?.warnings ?? []) if (problem.resource === key) yield problem;
    }
  }

  /** All that is said: first of each resource, then of those that get in each other's way. */
  *all(): Iterable<Problem> {
    for (const key of this.#resources.keys()) yield* this.#checked.get(key)!.warnings;
    for (const { warnings } of this.#groups.values()) yield* warnings;
  }

  #check(key: string, resource: Resource, changed: Set<string>): Checked {
    const kind: Kind = KINDS[kindName(resource) as KindName];
    const rests = new Set<Fact>();
    const inventory = this.#inventory.asking(rests);
    const warnings: Problem[] = [];
    kind.references?.(resource, inventory, warnInto(warnings, key));
    warnings.push(...unenforced(resource));
    const groups = (kind.groups?.(resource, inventory) ?? []).map((name) => `${kind.name} ${name}`);
    const checked = { warnings, groups, rests };
    this.#checked.set(key, checked);
    for (const fact of rests) {
      const resting = this.#resting.get(fact);
      if (resting === undefined) this.#resting.set(fact, new Set([key]));
      else resting.add(key);
    }
    for (const id of groups) {
      changed.add(id);
      const group = this.#groups.get(id);
      if (group !== undefined) group.members.add(key);
      else {
        const name = id.slice(kind.name.length + 1);
        this.#groups.set(id, { kind, name, members: new Set([key]), warnings: [] });
      }
    }
    return checked;
  }

  #forget(key: string, groups: Set<string>, before: Set<string>): void {
    const checked = this.#checked.get(key);
    if (checked === undefined) return;
    this.#checked.delete(key);
    for (const problem of checked.warnings) before.add(identity(problem));
    for (const fact of checked.rests) {
      const resting = this.#resting.get(fact);
      resting?.delete(key);
      if (resting?.size === 0) this.#resting.delete(fact);
    }
    for (const id of checked.groups) {
      groups.add(id);
      this.#groups.get(id)?.members.delete(key);
    }
  }

  /** Of one group that has other members, or members that changed. */
  #conflicts(id: string, before: Set<string>): readonly Problem[] {
    const group = this.#groups.get(id);
    if (group === undefined) return [];
    for (const problem of group.warnings) before.add(identity(problem));
    const { kind, members } = group;
    if (members.size === 0) {
      this.#groups.delete(id);
      return [];
    }
    const warnings: Problem[] = [];
    const sorted = [...members].sort().map((key) => this.#resources.get(key)!);
    kind.conflicts?.(sorted, group.name, this.#inventory.asking(new Set()), (resource, ...warning) => {
      warnInto(warnings, resourceKey(resource))(...warning);
    });
    group.warnings = warnings;
    return warnings;
  }
}

function warnInto(problems: Problem[], resource: string): Warn {
  return (code, path, message) => {
    problems.push({ severity: 'warning', code, message, resource, pointer: pointer(path) });
  };
}

/** Two problems that say the same of the same place are one. */
export function identity({ code, message, resource, pointer: at }: Problem): string {
  return JSON.stringify([code, message, resource, at]);
}
