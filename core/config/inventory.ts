// What there is to refer to: hosts, their ports and subsets, and resources by name. Built once per check.

import { hostCovers, hostForms, plainHost } from './hosts.ts';
import type { Declarations, Inventory, Kind } from './kind.ts';
import { KINDS, type KindName } from './kind-names.ts';
import { kindName, type Resource } from './resource.ts';
import type { Static, TSchema } from './schema.ts';

export interface Known {
  /** Full host names that exist without a resource, for instance because a workload registered itself. */
  readonly hosts?: Iterable<string>;
  /** Default: cluster.local. */
  readonly domain?: string;
}

export class ResourceInventory implements Inventory {
  readonly resources: readonly Resource[];
  readonly #domain: string;
  /** By kind, then by 'namespace/name'. */
  readonly #kinds = new Map<string, Map<string, Resource>>();
  readonly #hosts = new Map<string, readonly number[]>();
  readonly #wildcards: string[] = [];
  readonly #subsets = new Map<string, Set<string>>();
  readonly #wildcardSubsets: { readonly pattern: string; readonly names: readonly string[] }[] = [];

  constructor(resources: Iterable<Resource>, known: Known) {
    this.resources = [...resources];
    this.#domain = known.domain ?? 'cluster.local';
    for (const host of known.hosts ?? []) this.#hosts.set(host, []);
    const subsets: Parameters<Declarations['subsets']>[] = [];
    const to: Declarations = {
      domain: this.#domain,
      host: (host, ports) => {
        if (host.startsWith('*')) this.#wildcards.push(plainHost(host));
        else this.#hosts.set(plainHost(host), ports);
      },
      subsets: (...declared) => subsets.push(declared),
    };
    for (const resource of this.resources) {
      const { namespace, name } = resource.metadata;
      const kind = KINDS[kindName(resource) as KindName];
      this.#of(kind).set(`${namespace}/${name}`, resource);
      kind.declares?.(resource, to);
    }
    // After the hosts: whose subsets they are depends on which hosts there are.
    for (const [host, namespace, names] of subsets) {
      if (host.startsWith('*')) this.#wildcardSubsets.push({ pattern: host, names });
      const full = this.resolve(host, namespace);
      this.#subsets.set(full, new Set([...(this.#subsets.get(full) ?? []), ...names]));
    }
  }

  get<Spec extends TSchema>(kind: Kind<Spec>, namespace: string, name: string): Resource<Static<Spec>> | null {
    return (this.#of(kind).get(`${namespace}/${name}`) as Resource<Static<Spec>> | undefined) ?? null;
  }

  all<Spec extends TSchema>(kind: Kind<Spec>): readonly Resource<Static<Spec>>[] {
    return [...this.#of(kind).values()] as Resource<Static<Spec>>[];
  }

  resolve(host: string, namespace: string): string {
    const forms = hostForms(host, namespace, this.#domain);
    return forms.find((form) => this.#hosts.has(form)) ?? forms[0];
  }

  hasHost(host: string): boolean {
    return this.#hosts.has(host) || this.#wildcards.some((pattern) => hostCovers(pattern, host));
  }

  covers(pattern: string): boolean {
    if (!pattern.startsWith('*')) return this.hasHost(pattern);
    for (const host of this.#hosts.keys()) if (hostCovers(pattern, host)) return true;
    return this.#wildcards.some((other) => hostCovers(pattern, other) || hostCovers(other, pattern));
  }

  ports(host: string): readonly number[] {
    return this.#hosts.get(host) ?? [];
  }

  hasSubset(host: string, subset: string): boolean {
    if (this.#subsets.get(host)?.has(subset)) return true;
    return this.#wildcardSubsets.some(({ pattern, names }) => names.includes(subset) && hostCovers(pattern, host));
  }

  #of({ name }: Kind): Map<string, Resource> {
    let found = this.#kinds.get(name);
    if (found === undefined) {
      found = new Map();
      this.#kinds.set(name, found);
    }
    return found;
  }
}
