// Where the VirtualServices lead that a proxy imports: as in Istio it may call those services, whether its Sidecar names them or
// not, for else the route would lead nowhere.

import { hostForms } from '../config/hosts.ts';
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import type { Resource } from '../config/resource.ts';
import type { Node } from '../workload.ts';
import { EVERYTHING, isSeen, type Scope } from './scope.ts';

type Rule = Resource<VirtualServiceSpec>;

export class RuleDestinations {
  private readonly node: Node;
  /** One rule more, or less, leads to this host, in one of the forms of its name. */
  private readonly lead: (host: string, by: 1 | -1) => void;
  /** To whom rules are exported that say nothing of it. */
  usual: readonly string[] | undefined = undefined;
  private scope = EVERYTHING;
  /** By 'namespace/name', of those that are imported. */
  private readonly hosts = new Map<string, readonly string[]>();

  constructor(node: Node, lead: (host: string, by: 1 | -1) => void) {
    this.node = node;
    this.lead = lead;
  }

  replace(before: Rule | null, after: Rule | null): void {
    // Where everything is imported, nothing more is to be found.
    if (this.scope.everything) return;
    const { namespace, name } = (after ?? before)!.metadata;
    const next = after !== null && isSeen(after, this.node, this.scope, this.usual) ? namedBy(after) : [];
    this.put(`${namespace}/${name}`, next);
  }

  *rescope(scope: Scope, rules: readonly Rule[]): Iterable<void> {
    this.scope = scope;
    for (const key of scope.everything ? [...this.hosts.keys()] : []) {
      this.put(key, []);
      yield;
    }
    for (const rule of rules) {
      this.replace(null, rule);
      yield;
    }
  }

  /** First who comes: what both say does not go in between. */
  private put(key: string, next: readonly string[]): void {
    for (const host of next) this.lead(host, 1);
    for (const host of this.hosts.get(key) ?? []) this.lead(host, -1);
    if (next.length === 0) this.hosts.delete(key);
    else this.hosts.set(key, next);
  }
}

/** Of the services that a rule leads to, in every form of their names. */
export function namedBy(rule: Rule): string[] {
  return [...destinationsOf(rule)].flatMap((host) => hostForms(host, rule.metadata.namespace));
}

/** As it names them. */
export function destinationsOf({ spec }: Resource<VirtualServiceSpec>): Set<string> {
  const hosts = new Set<string>();
  for (const { route } of [...(spec.http ?? []), ...(spec.tcp ?? []), ...(spec.tls ?? [])]) {
    for (const { destination } of route ?? []) hosts.add(destination.host);
  }
  return hosts;
}
