// What there is to refer to: hosts, their ports and subsets, gateways and other resources by name. Built once per check.

import { ROOT_NAMESPACE } from './attachment.ts';
import { fqdn, hostCovers, hostForms } from './hosts.ts';
import { isKind } from './kind-names.ts';
import type { DestinationRuleSpec } from './kinds/destination-rule.ts';
import { type Resource, resourceKey } from './resource.ts';

export interface Known {
  /** Full host names that exist without a resource, for instance because a workload registered itself. */
  readonly hosts?: Iterable<string>;
  /** Default: cluster.local. */
  readonly domain?: string;
}

export class Index {
  readonly all: readonly Resource[];
  readonly domain: string;
  readonly #keys = new Set<string>();
  /** Port numbers by full host name; empty: it is not known on which ports it serves. */
  readonly #hosts = new Map<string, readonly number[]>();
  readonly #wildcards: string[] = [];
  readonly #rules = new Map<string, Resource<DestinationRuleSpec>[]>();
  readonly #wildcardRules: Resource<DestinationRuleSpec>[] = [];

  constructor(resources: Iterable<Resource>, known: Known) {
    this.all = [...resources];
    this.domain = known.domain ?? 'cluster.local';
    for (const host of known.hosts ?? []) this.#hosts.set(host, []);
    for (const resource of this.all) this.#take(resource);
    // After the hosts: whose rule it is depends on which hosts there are.
    for (const resource of this.all) {
      if (!isKind(resource, 'DestinationRule')) continue;
      if (resource.spec.host.startsWith('*')) this.#wildcardRules.push(resource);
      const host = this.resolve(resource.spec.host, resource.metadata.namespace);
      const rules = this.#rules.get(host);
      if (rules === undefined) this.#rules.set(host, [resource]);
      else rules.push(resource);
    }
  }

  /** Is there a resource of this key? */
  has(name: string, namespace: string, resource: string): boolean {
    return this.#keys.has(`${name}/${namespace}/${resource}`);
  }

  /** Does a FilterChain that may be there for workloads of this namespace insert a filter of this name? */
  inserts(filter: string, direction: string, namespace: string): boolean {
    return this.all.some(
      (resource) =>
        isKind(resource, 'FilterChain') &&
        (resource.spec.direction ?? 'inbound') === direction &&
        (namespace === ROOT_NAMESPACE || [namespace, ROOT_NAMESPACE].includes(resource.metadata.namespace)) &&
        resource.spec.insert?.some((insertion) => insertion.filter === filter),
    );
  }

  /** The full name under which a host of a rule is known; where it is not, the one that it would have. */
  resolve(host: string, namespace: string): string {
    const forms = hostForms(host, namespace, this.domain);
    return forms.find((form) => this.#hosts.has(form)) ?? forms[0];
  }

  /** Takes names that resolve() gave. */
  hasHost(host: string): boolean {
    return this.#hosts.has(host) || this.#wildcards.some((pattern) => hostCovers(pattern, host));
  }

  /** Does any known host fall under the pattern? */
  covers(pattern: string): boolean {
    if (!pattern.startsWith('*')) return this.hasHost(pattern);
    for (const host of this.#hosts.keys()) if (hostCovers(pattern, host)) return true;
    return this.#wildcards.some((other) => hostCovers(pattern, other) || hostCovers(other, pattern));
  }

  ports(host: string): readonly number[] {
    return this.#hosts.get(host) ?? [];
  }

  hasSubset(host: string, subset: string): boolean {
    const rules = [
      ...(this.#rules.get(host) ?? []),
      ...this.#wildcardRules.filter(({ spec }) => hostCovers(spec.host, host)),
    ];
    return rules.some(({ spec }) => spec.subsets?.some(({ name }) => name === subset));
  }

  #take(resource: Resource): void {
    this.#keys.add(resourceKey(resource));
    const { name, namespace } = resource.metadata;
    if (isKind(resource, 'Service')) {
      this.#hosts.set(
        fqdn(name, namespace, this.domain),
        (resource.spec.ports ?? []).map(({ port }) => port),
      );
    } else if (isKind(resource, 'ServiceEntry')) {
      for (const host of resource.spec.hosts) {
        if (host.startsWith('*')) this.#wildcards.push(host.toLowerCase());
        else
          this.#hosts.set(
            host.toLowerCase(),
            (resource.spec.ports ?? []).map(({ number }) => number),
          );
      }
    }
  }
}
