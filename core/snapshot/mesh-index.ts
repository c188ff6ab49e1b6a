// All that a proxy was told of the mesh, indexed by whom it concerns. A change is taken in, says what it concerns, and is then either
// kept or given back as a whole.

import { isDeepStrictEqual } from 'node:util';
import { fqdn } from '../config/hosts.ts';
import { isKind } from '../config/is-kind.ts';
import type { MeshConfigSpec } from '../config/kinds/mesh-config.ts';
import type { Node, WorkloadEndpoint } from '../workload.ts';
import { Concerned } from './concerned.ts';
import { DestinationRules } from './destination-rules.ts';
import { GatewayHosts } from './gateway-hosts.ts';
import { type Member, Members } from './members.ts';
import { limitsOf, meshWide, NOTHING, shapesAlike, usualExports } from './mesh-wide.ts';
import { ServiceRegistry } from './registry.ts';
import { type Replacement, type ResourceChange, ResourceTable } from './resource-table.ts';
import { RuleDestinations } from './rule-destinations.ts';
import { EVERYTHING, type Scope, scopeOf, sidecarOf } from './scope.ts';
import { registeredService, workloadEntry } from './services.ts';
import { VirtualServices } from './virtual-services.ts';

/** What workloads say of themselves, by who says it. */
export interface EndpointChange {
  readonly upserts: readonly (readonly [key: string, endpoints: readonly WorkloadEndpoint[]])[];
  readonly removals: readonly string[];
}

/** What somebody said, and says now. */
interface Lease {
  readonly key: string;
  readonly before: readonly Member[];
  readonly after: readonly Member[];
}

export class MeshIndex {
  /** By the change that was taken last. */
  concerned = new Concerned();
  readonly services: ServiceRegistry;
  readonly members = new Members();
  /** What DestinationRules make of services. */
  readonly shapes: DestinationRules;
  readonly rules: VirtualServices;
  readonly gateways: GatewayHosts;
  /** What this proxy imports of all that. */
  scope: Scope = EVERYTHING;
  /** What holds for all of it. */
  mesh: MeshConfigSpec = NOTHING;
  private readonly node: Node;
  private readonly resources = new ResourceTable();
  private readonly destinations: RuleDestinations;
  private readonly leases = new Map<string, readonly Member[]>();
  private readonly entries = new Map<string, Member>();
  private sidecar: ReturnType<typeof sidecarOf> = null;
  private usual = usualExports(NOTHING);
  /** Of the change that was taken last. */
  private replaced: Replacement[] = [];
  private said: Lease[] = [];

  constructor(node: Node) {
    this.node = node;
    this.services = new ServiceRegistry(node, (host, before, after) => {
      this.concerned.service(host, before, after);
      this.members.select(before, after);
    });
    this.shapes = new DestinationRules(node, this.services, (host) => this.concerned.shaped(host));
    this.rules = new VirtualServices(node, this.services, {
      rule: (rule) => this.concerned.rules.add(rule),
      host: (host) => this.concerned.routed(host),
    });
    this.destinations = new RuleDestinations(node, (host, by) => this.services.lead(host, by));
    this.gateways = new GatewayHosts(node, this.rules, (port, domain) => this.concerned.domain(port, domain));
  }

  get policies(): ResourceTable['policies'] {
    return this.resources.policies;
  }

  *take(resources: ResourceChange | null, endpoints: EndpointChange | null): Iterable<void> {
    this.commit();
    yield* this.apply(this.leasesOf(endpoints), resources === null ? [] : this.resources.steps(resources));
  }

  /** It stays. */
  commit(): void {
    this.concerned = new Concerned();
    this.replaced = [];
    this.said = [];
  }

  /** It is given back. */
  rollback(): void {
    const { replaced, said } = this;
    this.commit();
    const leases = said.map(({ key, before, after }) => ({ key, before: after, after: before }));
    const back = replaced.map(({ key, before, after }) => ({ key, before: after, after: before }));
    for (const _ of this.apply(leases.reverse(), back.reverse()));
    this.commit();
  }

  /** Services first: what rules name means what the registry has in the end. */
  private *apply(leases: Iterable<Lease>, replacements: Iterable<Replacement>): Iterable<void> {
    const { concerned, services, members, shapes, rules } = this;
    for (const lease of leases) {
      this.said.push(lease);
      this.replaceMembers(lease.before, lease.after);
      if (lease.after.length === 0) this.leases.delete(lease.key);
      else this.leases.set(lease.key, lease.after);
      yield;
    }
    const first = this.replaced.length;
    let scoped = false;
    let meshed = false;
    for (const replacement of replacements) {
      this.replaced.push(replacement);
      const { key, before, after } = replacement;
      const resource = (after ?? before)!;
      this.resources.replace(key, before, after);
      services.replace(before, after);
      this.replaceEntry(replacement);
      if (isKind(resource, 'Sidecar')) scoped = true;
      if (isKind(resource, 'MeshConfig')) meshed = true;
      if (isKind(resource, 'VirtualService')) {
        this.destinations.replace(before as typeof resource | null, after as typeof resource | null);
      }
      yield;
    }
    const rescoped = scoped && (yield* this.rescope());
    const reexported = meshed && (yield* this.reexport());
    for (const host of concerned.registered) {
      services.register(host, registeredService(host, members.registered(host), services.registered(host)));
      yield;
    }
    yield* members.index();
    for (const host of concerned.came) {
      shapes.serviceCame(host);
      rules.serviceCame(host);
      yield;
    }
    for (let at = first; at < this.replaced.length; at++) {
      yield* this.replaceRules(this.replaced[at]);
      yield;
    }
    for (const rule of reexported ? this.resources.all('DestinationRule') : []) {
      if (isKind(rule, 'DestinationRule')) shapes.replace(rule, rule);
      yield;
    }
    if (rescoped || reexported) yield* this.reconsiderRules();
    yield* this.conclude();
  }

  /** By the Sidecar that is for this proxy now. False: it is as before. */
  private *rescope(): Generator<void, boolean> {
    const { node, services, destinations, rules } = this;
    const sidecar = sidecarOf(node, this.policies('Sidecar'));
    if (sidecar === this.sidecar) return false;
    this.sidecar = sidecar;
    this.scope = scopeOf(sidecar, node.namespace);
    rules.scope = this.scope;
    yield* services.rescope(this.scope);
    yield* destinations.rescope(this.scope, this.policies('VirtualService'));
    return true;
  }

  /** By what MeshConfig says now. False: it is as before. */
  private *reexport(): Generator<void, boolean> {
    const { resources, services, destinations, rules, shapes } = this;
    const usual = usualExports(meshWide(this.policies('MeshConfig')));
    if (isDeepStrictEqual(usual, this.usual)) return false;
    this.usual = usual;
    services.usual = usual.services;
    rules.usual = usual.rules;
    destinations.usual = usual.rules;
    shapes.usual = usual.shapes;
    for (const kind of ['Service', 'ServiceEntry'] as const) {
      for (const service of resources.all(kind)) {
        services.replace(service, service);
        yield;
      }
    }
    yield* destinations.rescope(this.scope, this.policies('VirtualService'));
    return true;
  }

  /** Which of them there are, and for which ports. */
  private *reconsiderRules(): Iterable<void> {
    for (const resource of this.policies('VirtualService')) {
      const replacement = { key: '', before: resource, after: resource };
      if (this.rules.isOutdated(resource)) yield* this.replaceRules(replacement);
      yield;
    }
    for (const { host } of this.services.values()) {
      this.concerned.hosts.add(host);
      yield;
    }
  }

  private *replaceRules({ before, after }: Replacement): Iterable<void> {
    const resource = (after ?? before)!;
    if (isKind(resource, 'DestinationRule')) this.shapes.replace(before as typeof resource, after as typeof resource);
    if (isKind(resource, 'VirtualService')) {
      const { gone, come } = this.rules.replace(before as typeof resource | null, after as typeof resource | null);
      this.gateways.replaceRule(gone, come);
    }
    if (isKind(resource, 'MeshConfig')) yield* this.replaceMesh();
    if (isKind(resource, 'Gateway')) {
      yield* this.gateways.replaceGateway(before as typeof resource | null, after as typeof resource | null);
    }
  }

  private *replaceMesh(): Iterable<void> {
    const before = this.mesh;
    this.mesh = meshWide(this.policies('MeshConfig'));
    this.gateways.tls.limit(limitsOf(this.mesh.meshMTLS), limitsOf(this.mesh.tlsDefaults));
    if (shapesAlike(before, this.mesh)) return;
    for (const { host } of this.services.values()) {
      this.concerned.services.add(host);
      yield;
    }
  }

  /** What follows from what is concerned. */
  private *conclude(): Iterable<void> {
    const { concerned, services, rules, gateways } = this;
    yield* concerned.addShaped(services.values());
    for (const host of concerned.services) {
      concerned.hosts.add(host);
      concerned.members.add(host);
      rules.serviceChanged(host);
      yield;
    }
    for (const rule of concerned.rules) {
      rule.forget();
      for (const host of rule.hosts) concerned.routed(host);
      gateways.ruleChanged(rule);
      yield;
    }
    yield* concerned.addRouted(services.values());
  }

  private *leasesOf(change: EndpointChange | null): Iterable<Lease> {
    for (const key of change?.removals ?? []) {
      const before = this.leases.get(key);
      if (before !== undefined) yield { key, before, after: [] };
    }
    for (const [key, endpoints] of change?.upserts ?? []) {
      const after = endpoints.map((workload, i) => ({ rank: `0 ${key} ${String(i).padStart(3, '0')}`, workload }));
      yield { key, before: this.leases.get(key) ?? [], after };
    }
  }

  /** WorkloadEntries come after those who speak for themselves. */
  private replaceEntry({ key, before, after }: Replacement): void {
    const resource = (after ?? before)!;
    if (!isKind(resource, 'WorkloadEntry')) return;
    const known = this.entries.get(key);
    const workload = after === null ? null : workloadEntry(after as typeof resource, this.node.trustDomain);
    const member = workload === null ? null : { rank: `1 ${workload.id}`, workload };
    this.replaceMembers(known === undefined ? [] : [known], member === null ? [] : [member]);
    if (member === null) this.entries.delete(key);
    else this.entries.set(key, member);
  }

  private replaceMembers(before: readonly Member[], after: readonly Member[]): void {
    for (const member of before) {
      this.concern(member);
      this.members.remove(member);
    }
    for (const member of after) {
      this.members.add(member);
      this.concern(member);
    }
  }

  private concern(member: Member): void {
    const { services, namespace } = member.workload;
    for (const host of this.members.hostsOf(member)) this.concerned.members.add(host);
    for (const name of services) this.concerned.registered.add(fqdn(name, namespace));
  }
}
