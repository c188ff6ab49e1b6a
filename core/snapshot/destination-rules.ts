// Which DestinationRules shape a service for this proxy. They are looked for in the proxy's own namespace, then in the
// service's, then in the root namespace, and nowhere else; in each the rules of the most specific host count, together.

import { ROOT_NAMESPACE } from '../config/attachment.ts';
import type { DestinationRuleSpec, Subset, TrafficPolicy } from '../config/kinds/destination-rule.ts';
import type { Resource } from '../config/resource.ts';
import { isPrivate, isVisible } from '../config/visibility.ts';
import type { Node } from '../workload.ts';
import { HostIndex } from './host-index.ts';
import { Mentions } from './mentions.ts';
import { fullHost, hasLabels, type Service, type Services } from './services.ts';

type Rule = Resource<DestinationRuleSpec>;

/** What all rules for one host say together. */
export interface HostRules {
  readonly sources: readonly Rule[];
  /** Of the first rule that has one. */
  readonly trafficPolicy: TrafficPolicy | undefined;
  /** By name; of several with one name the first counts. */
  readonly subsets: ReadonlyMap<string, Subset>;
  /** The proxy may have the secrets that they name. */
  readonly trusted: boolean;
}

const NONE: HostRules = Object.freeze({ sources: [], trafficPolicy: undefined, subsets: new Map(), trusted: false });

/** A rule where it was found to belong. */
interface Placed {
  readonly rank: string;
  readonly rule: Rule;
  /** As the registry knows it. */
  readonly host: string;
  /** It is among those that this proxy's own namespace looks at first; others are shown it. */
  readonly own: boolean;
  readonly shown: boolean;
}

export class DestinationRules {
  /** To whom rules are exported that say nothing of it; it counts for what is replaced from then on. */
  usual: readonly string[] | undefined = undefined;
  private readonly node: Node;
  private readonly services: Services;
  /** `host`: a name or a pattern, of whose services the rules are others now. */
  private readonly changed: (host: string) => void;
  private readonly placed = new Map<string, Placed>();
  /** By the hosts that they name, of those that may be known by another form. */
  private readonly mentions = new Mentions<string>();
  /** Rules that this proxy's own namespace looks at first. */
  private readonly own = new HostIndex<Placed>();
  /** Rules that a namespace shows to others, by namespace. */
  private readonly exported = new Map<string, HostIndex<Placed>>();

  constructor(node: Node, services: Services, changed: (host: string) => void) {
    this.node = node;
    this.services = services;
    this.changed = changed;
  }

  replace(before: Rule | null, after: Rule | null): void {
    if (before !== null) {
      this.mentions.remove(before.spec.host, before.metadata.namespace, keyOf(before));
      this.displace(keyOf(before));
    }
    if (after === null) return;
    this.mentions.add(after.spec.host, after.metadata.namespace, keyOf(after));
    this.place(after);
  }

  /** The service of this host came or went: a rule may mean it by another form of its name than before. */
  serviceCame(host: string): void {
    for (const key of this.mentions.of(host)) {
      const placed = this.placed.get(key);
      if (placed === undefined) continue;
      const { spec, metadata } = placed.rule;
      if (fullHost(spec.host, metadata.namespace, this.services) === placed.host) continue;
      this.displace(key);
      this.place(placed.rule);
    }
  }

  of(service: Service): HostRules {
    const found = this.search(service);
    return found.length === 0 ? NONE : merged(found, this.node.role === 'gateway');
  }

  private place(rule: Rule): void {
    const { node } = this;
    const { namespace } = rule.metadata;
    const { exportTo, workloadSelector } = rule.spec;
    const local = namespace === node.namespace;
    // One that selects its callers is for those of its own namespace.
    if (workloadSelector !== undefined && !(local && hasLabels(node.labels, workloadSelector.matchLabels ?? {})))
      return;
    const host = fullHost(rule.spec.host, namespace, this.services);
    const hidden = workloadSelector !== undefined || isPrivate(exportTo, namespace, this.usual);
    // What the root namespace shows to everybody is its proxies' last resort, too, and not their first.
    const first =
      local && (hidden || namespace !== ROOT_NAMESPACE) && isVisible(exportTo, namespace, namespace, this.usual);
    const placed = { rank: keyOf(rule), rule, host, own: first, shown: !hidden };
    this.placed.set(placed.rank, placed);
    if (placed.own) this.own.add(host, placed);
    if (placed.shown) this.hostsOf(namespace).add(host, placed);
    this.changed(host);
  }

  private displace(key: string): void {
    const placed = this.placed.get(key);
    if (placed === undefined) return;
    this.placed.delete(key);
    if (placed.own) this.own.remove(placed.host, placed);
    if (placed.shown) this.hostsOf(placed.rule.metadata.namespace).remove(placed.host, placed);
    this.changed(placed.host);
  }

  private search({ host, namespace }: Service): readonly Rule[] {
    const first = this.own.find(host);
    if (first.length > 0) return first.map(({ rule }) => rule);
    for (const owner of [namespace, ROOT_NAMESPACE]) {
      const rules = this.exported.get(owner)?.find(host) ?? [];
      const seen = rules.filter(({ rule }) => isVisible(rule.spec.exportTo, owner, this.node.namespace, this.usual));
      if (seen.length > 0) return seen.map(({ rule }) => rule);
    }
    return [];
  }

  private hostsOf(namespace: string): HostIndex<Placed> {
    let hosts = this.exported.get(namespace);
    if (hosts === undefined) {
      hosts = new HostIndex();
      this.exported.set(namespace, hosts);
    }
    return hosts;
  }
}

function keyOf({ metadata }: Rule): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** Those that select their callers go before the others. */
function merged(found: readonly Rule[], gateway: boolean): HostRules {
  const selecting = found.filter(({ spec }) => spec.workloadSelector !== undefined);
  const sources = selecting.length > 0 ? selecting : found;
  const subsets = new Map<string, Subset>();
  for (const { spec } of sources) {
    for (const subset of spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  }
  const shaping = sources.find(({ spec }) => spec.trafficPolicy !== undefined);
  const trusted = gateway || selecting.length > 0;
  return { sources, trafficPolicy: shaping?.spec.trafficPolicy, subsets, trusted };
}
