// The VirtualServices that this proxy sees: for which hosts of the mesh they are, which services they lead to, and what they were
// compiled to.

import { gatewayKey } from '../config/gateway-reference.ts';
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import type { Resource } from '../config/resource.ts';
import { exactly } from '../router/exactly.ts';
import type { Node } from '../workload.ts';
import { asksClaims } from './chain-plan.ts';
import type { ChainBuilder } from './filters.ts';
import { HostIndex } from './host-index.ts';
import { Mentions } from './mentions.ts';
import type { RoutePart } from './route-parts.ts';
import { destinationsOf } from './rule-destinations.ts';
import { EVERYTHING, isSeen, type Scope } from './scope.ts';
import { fullHost, type Services } from './services.ts';

/** What a rule was compiled to for requests of one port, to the mesh's hosts or to those of a gateway. */
interface CompiledFor {
  readonly gateway: string;
  readonly port: number;
  readonly chains: ChainBuilder;
  readonly part: RoutePart;
}

const NOTHING: readonly never[] = Object.freeze([]);

/** One VirtualService. */
export class Rule {
  /** 'namespace/name' */
  readonly rank: string;
  readonly resource: Resource<VirtualServiceSpec>;
  /** 'namespace/name' of each, without the mesh. */
  readonly gateways: readonly string[];
  readonly forMesh: boolean;
  /** Hosts of the mesh as the registry knows them. */
  hosts: readonly string[] = NOTHING;
  private compiled: readonly CompiledFor[] = NOTHING;

  constructor(resource: Resource<VirtualServiceSpec>) {
    const { metadata, spec } = resource;
    const named = spec.gateways ?? [];
    this.resource = resource;
    this.rank = `${metadata.namespace}/${metadata.name}`;
    this.forMesh = named.length === 0 || named.includes('mesh');
    const keys = named.map((reference) => gatewayKey(reference, metadata.namespace));
    this.gateways = exactly([...new Set(keys)].filter((key) => key !== 'mesh'));
  }

  /** What it was compiled to, if that holds still, or what `make` makes. */
  compiledFor(gateway: string, port: number, chains: ChainBuilder, make: () => RoutePart): RoutePart {
    const known = this.compiled.find((each) => each.gateway === gateway && each.port === port);
    if (known !== undefined && known.chains === chains && !known.part.retired) return known.part;
    const part = make();
    const compiled = { gateway, port, chains, part };
    this.compiled =
      known === undefined
        ? this.compiled.concat(compiled)
        : this.compiled.map((each) => (each === known ? compiled : each));
    return part;
  }

  forget(): void {
    this.compiled = NOTHING;
  }
}

/** What is to be made anew for whom. */
export interface RuleChanges {
  /** Its routes are others: those of all places that have it. */
  rule(rule: Rule): void;
  /** It is new for this host of the mesh, or not for it any more: a name or a pattern. */
  host(host: string): void;
}

export class VirtualServices {
  /** Those that ask for claims of tokens, whoever sees them. */
  asking = 0;
  /** What this proxy imports. */
  scope: Scope = EVERYTHING;
  /** To whom they are exported that say nothing of it. */
  usual: readonly string[] | undefined = undefined;
  /** By the full names of the hosts that they are for, of the mesh. */
  readonly byHost = new HostIndex<Rule>();
  private readonly node: Node;
  private readonly services: Services;
  private readonly changes: RuleChanges;
  private readonly rules = new Map<string, Rule>();
  /** By where they lead. */
  private readonly destinations = new Mentions<Rule>();
  /** By the hosts that they are for. */
  private readonly named = new Mentions<Rule>();
  private readonly byGateway = new Map<string, Set<Rule>>();

  constructor(node: Node, services: Services, changes: RuleChanges) {
    this.node = node;
    this.services = services;
    this.changes = changes;
  }

  /** The rule that is gone, and the one that is there now. */
  replace(
    before: Resource<VirtualServiceSpec> | null,
    after: Resource<VirtualServiceSpec> | null,
  ): { gone: Rule | null; come: Rule | null } {
    if (before !== null && asksClaims(before)) this.asking--;
    if (after !== null && asksClaims(after)) this.asking++;
    const gone = before === null ? null : this.remove(before);
    return { gone, come: after !== null && isSeen(after, this.node, this.scope, this.usual) ? this.add(after) : null };
  }

  /** Was it decided otherwise over this one, which is there, than it would be now? */
  isOutdated(resource: Resource<VirtualServiceSpec>): boolean {
    const { namespace, name } = resource.metadata;
    return this.rules.has(`${namespace}/${name}`) !== isSeen(resource, this.node, this.scope, this.usual);
  }

  /** Those that name this gateway, 'namespace/name'. */
  of(gateway: string): Iterable<Rule> {
    return this.byGateway.get(gateway) ?? [];
  }

  /** The service of this host is another one, or is shaped otherwise. */
  serviceChanged(host: string): void {
    for (const rule of this.destinations.of(host)) this.changes.rule(rule);
  }

  /** The service of this host came or went: rules may mean it by another form of its name than before. */
  serviceCame(host: string): void {
    for (const rule of this.named.of(host)) {
      const hosts = this.hostsOf(rule);
      if (hosts.join() === rule.hosts.join()) continue;
      this.displace(rule);
      this.place(rule);
    }
  }

  private add(resource: Resource<VirtualServiceSpec>): Rule {
    const rule = new Rule(resource);
    this.rules.set(rule.rank, rule);
    const { namespace } = resource.metadata;
    for (const host of destinationsOf(resource)) this.destinations.add(host, namespace, rule);
    for (const gateway of rule.gateways) {
      const known = this.byGateway.get(gateway);
      if (known === undefined) this.byGateway.set(gateway, new Set([rule]));
      else known.add(rule);
    }
    if (!rule.forMesh) return rule;
    for (const host of resource.spec.hosts ?? []) this.named.add(host, namespace, rule);
    this.place(rule);
    return rule;
  }

  private remove(resource: Resource<VirtualServiceSpec>): Rule | null {
    const { name, namespace } = resource.metadata;
    const rule = this.rules.get(`${namespace}/${name}`);
    if (rule === undefined) return null;
    this.rules.delete(rule.rank);
    for (const host of destinationsOf(resource)) this.destinations.remove(host, namespace, rule);
    for (const gateway of rule.gateways) {
      const known = this.byGateway.get(gateway);
      known?.delete(rule);
      if (known?.size === 0) this.byGateway.delete(gateway);
    }
    for (const host of resource.spec.hosts ?? []) this.named.remove(host, namespace, rule);
    this.displace(rule);
    return rule;
  }

  private place(rule: Rule): void {
    rule.hosts = this.hostsOf(rule);
    for (const host of rule.hosts) {
      this.byHost.add(host, rule);
      this.changes.host(host);
    }
  }

  private displace(rule: Rule): void {
    for (const host of rule.hosts) {
      this.byHost.remove(host, rule);
      this.changes.host(host);
    }
    rule.hosts = NOTHING;
  }

  /** Named twice, it is asked twice. */
  private hostsOf({ resource: { metadata, spec } }: Rule): string[] {
    return (spec.hosts ?? []).map((host) => fullHost(host, metadata.namespace, this.services));
  }
}
