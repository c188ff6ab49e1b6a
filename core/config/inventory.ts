// What there is to refer to: hosts, their ports and subsets, and resources by name. It changes with the configuration and says
// what of it changed, in facts; whoever asks it notes on which facts the answer rests.

import { hostCovers, hostForms, plainHost } from './hosts.ts';
import type { Inventory, Kind } from './kind.ts';
import { KINDS, type KindName } from './kind-names.ts';
import { kindName, type Resource } from './resource.ts';
import type { Static, TSchema } from './schema.ts';

/** One thing that an answer rests on: that a host is there and its ports, its subsets, a resource, all of a kind. */
export type Fact = string;

export const hostFact = (host: string): Fact => `host ${host}`;
const subsetFact = (host: string): Fact => `subset ${host}`;
const resourceFact = (key: string): Fact => `resource ${key}`;
const kindFact = (name: string): Fact => `kind ${name}`;
/** There is a host more. */
const MORE_HOSTS: Fact = 'hosts';
const WILDCARDS: Fact = 'wildcards';
const WILDCARD_SUBSETS: Fact = 'wildcard subsets';

/** Who registered by himself, behind every resource that declares the host. */
const REGISTERED = '\uffff';
const NO_PORTS: readonly number[] = [];

interface Declared {
  readonly hosts: readonly (readonly [host: string, ports: readonly number[]])[];
  readonly wildcards: readonly string[];
  readonly subsets: readonly Subsets[];
}

interface Subsets {
  /** As the rule names it, and the rule's namespace. */
  readonly host: string;
  readonly namespace: string;
  readonly names: readonly string[];
  /** The full name that it is known by now, and what that rests on. */
  of: string;
  rests: ReadonlySet<Fact>;
}

/** By the key of who declares it. */
type Declarers<Value> = Map<string, Value>;

export class ResourceInventory {
  readonly #domain: string;
  /** By kind, then by 'namespace/name'. */
  readonly #kinds = new Map<string, Map<string, Resource>>();
  /** Of those that declare something. */
  readonly #declared = new Map<string, Declared>();
  readonly #hosts = new Map<string, Declarers<readonly number[]>>();
  readonly #wildcards = new Map<string, Set<string>>();
  readonly #subsets = new Map<string, Declarers<readonly string[]>>();
  readonly #wildcardSubsets = new Map<string, Subsets[]>();
  /** Keys of those whose subsets' hosts rest on a fact. */
  readonly #resting = new Map<Fact, Set<string>>();

  constructor(domain = 'cluster.local') {
    this.#domain = domain;
  }

  /** Resources by key, null: it goes; hosts that registered themselves, or no longer do. Adds to `changed`. */
  change(
    resources: Iterable<readonly [key: string, Resource | null]>,
    registered: { readonly here: Iterable<string>; readonly gone: Iterable<string> },
    changed: Set<Fact>,
  ): void {
    const before = new Map<string, readonly number[] | undefined>();
    for (const host of registered.gone) this.#undeclareHost(host, REGISTERED, before);
    for (const host of registered.here) this.#declareHost(host, REGISTERED, NO_PORTS, before);
    const anew: string[] = [];
    for (const [key, resource] of resources) {
      this.#forget(key, before, changed);
      const slash = key.indexOf('/');
      const kind = key.slice(0, slash);
      changed.add(resourceFact(key)).add(kindFact(kind));
      if (resource === null) this.#of(kind).delete(key.slice(slash + 1));
      else {
        this.#of(kind).set(key.slice(slash + 1), resource);
        if (this.#declare(key, resource, before, changed)) anew.push(key);
      }
    }
    for (const [host, ports] of before) {
      const now = this.#portsOf(host);
      if (now === undefined ? ports === undefined : ports !== undefined && same(now, ports)) continue;
      changed.add(hostFact(host));
      if (ports === undefined) changed.add(MORE_HOSTS);
      for (const key of this.#resting.get(hostFact(host)) ?? []) anew.push(key);
    }
    // After the hosts: whose subsets they are depends on which hosts there are.
    for (const key of new Set(anew)) this.#settle(key, changed);
  }

  /** Keys of the resources that a fact is of: who declares a host or its subsets, or the resource itself. */
  *behind(fact: Fact): Iterable<string> {
    const [is, of, more] = fact.split(' ');
    if (is === 'resource') yield of;
    else if (is === 'subset') yield* this.#subsets.get(of)?.keys() ?? [];
    else if (is === 'host' && more === undefined && !of.startsWith('*')) yield* this.#declarers(of);
    else if (is === 'host') {
      for (const host of this.#hosts.keys()) if (hostCovers(of, host)) yield* this.#declarers(host);
    }
  }

  *#declarers(host: string): Iterable<string> {
    for (const key of this.#hosts.get(host)?.keys() ?? []) if (key !== REGISTERED) yield key;
  }

  /** Answers that note in `rests` what they rest on. */
  asking(rests: Set<Fact>): Inventory {
    return {
      get: (kind, namespace, name) => {
        rests.add(resourceFact(`${kind.name}/${namespace}/${name}`));
        return this.#get(kind, namespace, name);
      },
      all: (kind) => {
        rests.add(kindFact(kind.name));
        return this.#all(kind);
      },
      resolve: (host, namespace) => this.#resolve(host, namespace, rests),
      hasHost: (host) => this.#hasHost(host, rests),
      covers: (pattern) => this.#covers(pattern, rests),
      ports: (host) => {
        rests.add(hostFact(host));
        return this.#portsOf(host) ?? NO_PORTS;
      },
      hasSubset: (host, subset) => {
        rests.add(subsetFact(host));
        for (const names of this.#subsets.get(host)?.values() ?? []) if (names.includes(subset)) return true;
        rests.add(WILDCARD_SUBSETS);
        for (const all of this.#wildcardSubsets.values())
          if (all.some((each) => each.names.includes(subset) && hostCovers(each.host, host))) return true;
        return false;
      },
    };
  }

  #get<Spec extends TSchema>(kind: Kind<Spec>, namespace: string, name: string): Resource<Static<Spec>> | null {
    return (this.#of(kind.name).get(`${namespace}/${name}`) as Resource<Static<Spec>> | undefined) ?? null;
  }

  #all<Spec extends TSchema>(kind: Kind<Spec>): readonly Resource<Static<Spec>>[] {
    return [...this.#of(kind.name).values()] as Resource<Static<Spec>>[];
  }

  #resolve(host: string, namespace: string, rests: Set<Fact>): string {
    const forms = hostForms(host, namespace, this.#domain);
    for (const form of forms) {
      rests.add(hostFact(form));
      if (this.#hosts.has(form)) return form;
    }
    return forms[0];
  }

  #hasHost(host: string, rests: Set<Fact>): boolean {
    rests.add(hostFact(host));
    if (this.#hosts.has(host)) return true;
    rests.add(WILDCARDS);
    for (const pattern of this.#wildcards.keys()) if (hostCovers(pattern, host)) return true;
    return false;
  }

  #covers(pattern: string, rests: Set<Fact>): boolean {
    if (!pattern.startsWith('*')) return this.#hasHost(pattern, rests);
    for (const host of this.#hosts.keys()) {
      if (!hostCovers(pattern, host)) continue;
      rests.add(hostFact(host));
      return true;
    }
    rests.add(MORE_HOSTS).add(WILDCARDS);
    for (const other of this.#wildcards.keys())
      if (hostCovers(pattern, other) || hostCovers(other, pattern)) return true;
    return false;
  }

  /** Of several that declare a host the first by key says its ports, whenever they came. Undefined: there is no such host. */
  #portsOf(host: string): readonly number[] | undefined {
    const declarers = this.#hosts.get(host);
    if (declarers === undefined) return undefined;
    let first = '';
    for (const key of declarers.keys()) if (first === '' || key < first) first = key;
    return declarers.get(first);
  }

  /** Whether subsets are among what it declares. */
  #declare(key: string, resource: Resource, before: Before, changed: Set<Fact>): boolean {
    const kind = KINDS[kindName(resource) as KindName];
    if (kind.declares === undefined) return false;
    const hosts: [string, readonly number[]][] = [];
    const wildcards: string[] = [];
    const subsets: Subsets[] = [];
    kind.declares(resource, {
      domain: this.#domain,
      host: (host, ports) => {
        if (host.startsWith('*')) wildcards.push(plainHost(host));
        else hosts.push([plainHost(host), ports]);
      },
      subsets: (host, namespace, names) => {
        if (names.length > 0) subsets.push({ host, namespace, names, of: '', rests: new Set() });
      },
    });
    if (hosts.length + wildcards.length + subsets.length === 0) return false;
    this.#declared.set(key, { hosts, wildcards, subsets });
    for (const [host, ports] of hosts) this.#declareHost(host, key, ports, before);
    for (const pattern of wildcards) {
      changed.add(WILDCARDS);
      of(this.#wildcards, pattern, () => new Set()).add(key);
    }
    const patterns = subsets.filter(({ host }) => host.startsWith('*'));
    if (patterns.length > 0) {
      changed.add(WILDCARD_SUBSETS);
      this.#wildcardSubsets.set(key, patterns);
    }
    return subsets.length > 0;
  }

  #forget(key: string, before: Before, changed: Set<Fact>): void {
    const declared = this.#declared.get(key);
    if (declared === undefined) return;
    this.#declared.delete(key);
    for (const [host] of declared.hosts) this.#undeclareHost(host, key, before);
    for (const pattern of declared.wildcards) {
      changed.add(WILDCARDS);
      leave(this.#wildcards, pattern, key);
    }
    if (this.#wildcardSubsets.delete(key)) changed.add(WILDCARD_SUBSETS);
    for (const each of declared.subsets) this.#unsettle(key, each, changed);
  }

  #declareHost(host: string, key: string, ports: readonly number[], before: Before): void {
    if (!before.has(host)) before.set(host, this.#portsOf(host));
    of(this.#hosts, host, () => new Map()).set(key, ports);
  }

  #undeclareHost(host: string, key: string, before: Before): void {
    if (!before.has(host)) before.set(host, this.#portsOf(host));
    leave(this.#hosts, host, key);
  }

  /** Finds out whose the subsets are that it declares. */
  #settle(key: string, changed: Set<Fact>): void {
    const declared = this.#declared.get(key);
    if (declared === undefined) return;
    for (const each of declared.subsets) this.#unsettle(key, each, changed);
    for (const each of declared.subsets) {
      const rests = new Set<Fact>();
      each.of = this.#resolve(each.host, each.namespace, rests);
      each.rests = rests;
      for (const fact of rests) of(this.#resting, fact, () => new Set()).add(key);
      of(this.#subsets, each.of, () => new Map()).set(key, each.names);
      changed.add(subsetFact(each.of));
    }
  }

  #unsettle(key: string, each: Subsets, changed: Set<Fact>): void {
    if (each.of === '') return;
    for (const fact of each.rests) leave(this.#resting, fact, key);
    leave(this.#subsets, each.of, key);
    changed.add(subsetFact(each.of));
    each.of = '';
  }

  #of(name: string): Map<string, Resource> {
    return of(this.#kinds, name, () => new Map());
  }
}

/** Ports of hosts as they were; undefined: there was no such host. */
type Before = Map<string, readonly number[] | undefined>;

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((port, i) => port === b[i]);
}

/** What a map has for a key, made when there is nothing yet. */
function of<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let found = map.get(key);
  if (found === undefined) {
    found = make();
    map.set(key, found);
  }
  return found;
}

/** The last one who leaves takes the entry along. */
function leave(map: Map<string, Set<string> | Map<string, unknown>>, from: string, key: string): void {
  const entry = map.get(from);
  entry?.delete(key);
  if (entry?.size === 0) map.delete(from);
}
