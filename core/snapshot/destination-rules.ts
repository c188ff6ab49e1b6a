// Which DestinationRules shape a service for this proxy. They are looked for in the proxy's own namespace, then in the
// service's, then in the root namespace, and nowhere else; in each the rules of the most specific host count, together.

import { ROOT_NAMESPACE } from '../config/attachment.ts';
import type { DestinationRuleSpec, Subset, TrafficPolicy } from '../config/kinds/destination-rule.ts';
import type { Resource } from '../config/resource.ts';
import { isPrivate, isVisible } from '../config/visibility.ts';
import type { Node } from '../workload.ts';
import { HostIndex } from './host-index.ts';
import { fullHost, hasLabels, type Service } from './services.ts';

type Rule = Resource<DestinationRuleSpec>;

/** What all rules for one host say together. */
export interface HostRules {
  readonly sources: readonly Rule[];
  /** Of the first rule that has one. */
  readonly trafficPolicy: TrafficPolicy | undefined;
  /** By name; of several with one name the first counts. */
  readonly subsets: ReadonlyMap<string, Subset>;
}

const NONE: HostRules = Object.freeze({ sources: [], trafficPolicy: undefined, subsets: new Map() });

export class DestinationRules {
  private readonly node: Node;
  /** Rules that this proxy's own namespace looks at first. */
  private readonly own = new HostIndex<Rule>();
  /** Rules that a namespace shows to others, by namespace. */
  private readonly exported = new Map<string, HostIndex<Rule>>();
  private readonly found = new Map<Service, HostRules>();

  /** `rules`: by namespace and name. */
  constructor(rules: readonly Rule[], node: Node, services: ReadonlyMap<string, Service>) {
    this.node = node;
    for (const rule of rules) {
      const { namespace } = rule.metadata;
      const { exportTo, workloadSelector } = rule.spec;
      const local = namespace === node.namespace;
      // One that selects its callers is for those of its own namespace.
      if (workloadSelector !== undefined && !(local && hasLabels(node.labels, workloadSelector.matchLabels ?? {})))
        continue;
      const host = fullHost(rule.spec.host, namespace, services);
      const hidden = workloadSelector !== undefined || isPrivate(exportTo, namespace);
      // What the root namespace shows to everybody is its proxies' last resort, too, and not their first.
      const first = local && (hidden || namespace !== ROOT_NAMESPACE) && isVisible(exportTo, namespace, namespace);
      if (first) this.own.add(host, rule);
      if (!hidden) this.hostsOf(namespace).add(host, rule);
    }
  }

  of(service: Service): HostRules {
    let rules = this.found.get(service);
    if (rules === undefined) {
      const found = this.search(service);
      rules = found.length === 0 ? NONE : merged(found);
      this.found.set(service, rules);
    }
    return rules;
  }

  private search({ host, namespace }: Service): readonly Rule[] {
    const first = this.own.find(host);
    if (first.length > 0) return first;
    for (const owner of [namespace, ROOT_NAMESPACE]) {
      const rules = this.exported.get(owner)?.find(host) ?? [];
      const seen = rules.filter(({ spec }) => isVisible(spec.exportTo, owner, this.node.namespace));
      if (seen.length > 0) return seen;
    }
    return [];
  }

  private hostsOf(namespace: string): HostIndex<Rule> {
    let hosts = this.exported.get(namespace);
    if (hosts === undefined) {
      hosts = new HostIndex();
      this.exported.set(namespace, hosts);
    }
    return hosts;
  }
}

/** Those that select their callers go before the others. */
function merged(found: readonly Rule[]): HostRules {
  const selecting = found.filter(({ spec }) => spec.workloadSelector !== undefined);
  const sources = selecting.length > 0 ? selecting : found;
  const subsets = new Map<string, Subset>();
  for (const { spec } of sources) {
    for (const subset of spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  }
  const shaping = sources.find(({ spec }) => spec.trafficPolicy !== undefined);
  return { sources, trafficPolicy: shaping?.spec.trafficPolicy, subsets };
}
