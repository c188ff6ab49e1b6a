// Compiles what changed in the mesh's configuration and endpoints into the next snapshot of one proxy. It depends on what there is
// now alone, never on what came before; what the change does not concern is shared with the snapshot before. The control plane
// runs it dry, to validate. In steps: whoever runs it answers requests in between.

import type { ChainKind } from '../builtins/order.ts';
import { INBOUND_RETRIES } from '../builtins/retry/policy.ts';
import { telemetryAt } from '../builtins/telemetry/telemetry.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Problem } from '../config/resource.ts';
import { GRPC_WEB } from '../config/schemas/port-protocol.ts';
import type { FilterFactory } from '../exchange/filter.ts';
import { HostTable } from '../router/hosts.ts';
import { plainRoute } from '../router/plain-route.ts';
import type { VirtualHost } from '../router/route.ts';
import type { Steps } from '../steps.ts';
import type { Node } from '../workload.ts';
import { chainKinds } from './chain-plan.ts';
import {
  applicationSpec,
  type ClusterRequest,
  ClusterTable,
  clusterName,
  clusterSpec,
  type EndpointSource,
} from './clusters.ts';
import { faultsIn } from './faults.ts';
import { FilterUpstreams } from './filter-upstreams.ts';
import type { ChainBuilder, FilterSource } from './filters.ts';
import { chainsOf, type ListenerFilterScope, networkPlacements, servicePlugins } from './listener-filters.ts';
import { Memo } from './memo.ts';
import { type EndpointChange, MeshIndex } from './mesh-index.ts';
import { clientCertOf, detectedInMs, limitsOf, proxiedGateways } from './mesh-wide.ts';
import {
  type CompiledHosts,
  type HostCompiler,
  NO_HOSTS,
  replaceHosts,
  ruledHost,
  serviceHosts,
} from './outbound-hosts.ts';
import { mtlsMode } from './peer-authentication.ts';
import { protocolPlacements } from './protocol-filters.ts';
import type { ResourceChange } from './resource-table.ts';
import { PartsInUse, RoutePart } from './route-parts.ts';
import { compileRoutes } from './routes.ts';
import { fullHost, spokenAt } from './services.ts';
import type { Snapshot } from './snapshot.ts';
import { TcpCompiler } from './tcp-compiler.ts';
import type { TlsPort } from './tls-servers.ts';

/** What is otherwise; null: nothing. */
export interface Change {
  readonly resources: ResourceChange | null;
  readonly endpoints: EndpointChange | null;
}

export interface Compiled {
  /** The one before when nothing in it is otherwise: endpoints come and go inside its clusters. */
  readonly snapshot: Snapshot;
  /** Warnings: what the configuration refers to and is not there. */
  readonly problems: readonly Problem[];
  /** Those that requests of its routes pass, with the number of these routes. */
  readonly filters: ReadonlyMap<FilterFactory, number>;
}

/** It cannot be compiled. */
export class Uncompilable extends Error {
  readonly problems: readonly Problem[];

  constructor(message: string, problems: readonly Problem[]) {
    super(message);
    this.problems = problems;
  }
}

/** What is made, and takes the place of what is there once all of it is. */
interface Staged {
  readonly before: CompiledHosts;
  readonly after: CompiledHosts;
  /** Remembers the one that is there from now on. */
  keep(): void;
}

const NO_TLS: ReadonlyMap<number, TlsPort> = new Map();

type Chains = Partial<Record<ChainKind, ChainBuilder>>;

/** Compiles one snapshot after the other for one proxy. */
export class Compiler {
  private readonly node: Node;
  private readonly filters: FilterSource;
  private readonly memo = new Memo();
  private readonly index: MeshIndex;
  private readonly table: ClusterTable;
  private readonly called: FilterUpstreams;
  private readonly inUse = new PartsInUse();
  private readonly hosts = new Map<string, CompiledHosts>();
  private readonly domains = new Map<number, Map<string, CompiledHosts>>();
  private chains: Chains = {};
  private inbound: CompiledHosts = NO_HOSTS;
  private readonly tcp: TcpCompiler;
  private last: Snapshot | null = null;
  /** Nothing refers to them any more, if nothing did since. */
  private readonly gone = new Set<Cluster>();
  /** By the compile that is under way: what rules come to, and clusters by name. */
  private made: RoutePart[] = [];
  private interned = new Map<string, Cluster | null>();
  private compiling = false;

  constructor(node: Node, endpoints: EndpointSource, filters: FilterSource) {
    this.node = node;
    this.filters = filters;
    this.index = new MeshIndex(node);
    const { services, members } = this.index;
    this.table = new ClusterTable(endpoints, {
      service: (host) => services.get(host),
      of: (service) => members.of(service),
    });
    const { rules } = this.index;
    const cluster: HostCompiler['cluster'] = (...place) => this.clusterAt(...place);
    this.tcp = new TcpCompiler({
      ...{ node, services, cluster },
      rulesOf: (host) => rules.byHost.find(host),
      rulesAt: (gateway) => rules.of(gateway),
      subsetsOf: (service) => this.index.shapes.of(service).subsets.keys(),
      passing: (...place) => this.clusterAt(...place, 'sni-dnat'),
    });
    this.called = new FilterUpstreams(node, { services, cluster: (...place) => this.clusterAt(...place) });
  }

  /** Throws Uncompilable; the snapshot before and its clusters are then as they were. To be followed by `clear`. */
  *compile(change: Change, revision: number): Steps<Compiled> {
    yield* this.clear();
    let leaving: Cluster[];
    let made: { snapshot: Snapshot; staged: readonly Staged[]; chains: Chains };
    try {
      yield* this.index.take(change.resources, change.endpoints);
      this.compiling = true;
      made = yield* this.assemble(revision, change.resources !== null);
      leaving = [...this.called.gone()];
      yield* this.table.fillNew();
    } catch (error) {
      throw this.failed(error);
    } finally {
      this.compiling = false;
      this.interned = new Map();
    }
    const { snapshot, staged, chains } = made;
    for (const { after } of staged) {
      for (const part of after.parts) this.inUse.retain(part);
      yield;
    }
    yield* this.table.commit(this.index.concerned.members, (cluster) => this.inUse.clusters.has(cluster));
    for (const { before, keep } of staged) {
      for (const part of before.parts) for (const cluster of this.inUse.release(part)) this.gone.add(cluster);
      keep();
      yield;
    }
    if (snapshot !== this.last) this.memo.commit();
    for (const cluster of leaving) this.forgetCalled(cluster);
    this.made = [];
    this.index.commit();
    this.chains = chains;
    this.last = snapshot;
    return { snapshot, problems: this.inUse.problems(), filters: this.inUse.filters };
  }

  /** The snapshot is the one that requests begin with: what it does not refer to is let go. */
  *clear(): Steps<void> {
    for (const cluster of this.gone) {
      this.gone.delete(cluster);
      if (!this.inUse.clusters.has(cluster)) this.table.forget(cluster);
      yield;
    }
  }

  /** The cluster that a filter means by `name`, see FilterUpstreams.find; it is in this and in later snapshots. */
  upstream(name: string): Cluster | null {
    const known = this.table.clusters.get(name);
    if (known !== undefined) return this.table.filled(known);
    const found = this.called.find(name);
    if (found === null) return null;
    if (found.isNew) this.inUse.retainCluster(found.cluster);
    return this.table.filled(found.cluster);
  }

  /** Is there such a service of the mesh, and none for this proxy? See ServiceRegistry.hides. */
  hides(name: string, port: number): boolean {
    return this.index.services.hides(name, port);
  }

  /** What was taken is given back. */
  private failed(error: unknown): Error {
    const faults = faultsIn(this.index.policies);
    this.index.rollback();
    this.memo.rollback();
    this.table.rollback((cluster) => this.inUse.clusters.has(cluster));
    for (const cluster of [...this.called.gone()]) this.forgetCalled(cluster);
    for (const part of this.made) part.retired = part.uses === 0;
    this.made = [];
    const message = error instanceof Error ? error.message : String(error);
    // Of what knows its place, that is told in place of the first thing that did not compile.
    return new Uncompilable(message, faults.length > 0 ? faults : [{ severity: 'error', code: 'compile', message }]);
  }

  private *assemble(
    revision: number,
    always: boolean,
  ): Steps<{ snapshot: Snapshot; staged: readonly Staged[]; chains: Chains }> {
    const { node, memo, index, last } = this;
    const { concerned, policies } = index;
    if (last !== null && !always && concerned.none) return { snapshot: last, staged: [], chains: this.chains };
    const kinds = chainKinds(node);
    const claims = index.rules.asking > 0;
    const scope: ListenerFilterScope = { node, memo, source: this.filters, policies, claims };
    const chains: Chains = {};
    for (const kind of kinds) chains[kind] = chainsOf(kind, scope);
    const staged: Staged[] = [];
    this.widen(chains);
    const before = last ?? { outbound: new HostTable(80), gateways: new Map<number, HostTable>() };
    const outbound = yield* this.outboundTable(before.outbound, chains.outbound, staged);
    const gateways = yield* this.gatewayTables(before.gateways, chains.gateway, staged);
    const inbound = this.inboundHost(chains.inbound, staged);
    const made = (part: RoutePart): number => this.made.push(part);
    const spoken = this.spokenHere(inbound);
    const detectMs = detectedInMs(index.mesh);
    const stage = { staged, policies, memo, made, detectMs, concerned: concerned.services };
    const tcp = yield* this.tcp.stage(inbound, spoken, stage);
    const telemetry = memo.of('telemetry', policies('Telemetry'), () => telemetryAt(policies('Telemetry'), node));
    const snapshot: Snapshot = {
      revision,
      generation: (last?.generation ?? 0) + 1,
      outbound,
      gateways,
      tls: chains.gateway === undefined ? NO_TLS : index.gateways.tls.ports,
      inbound,
      outboundPolicy: index.scope.outboundPolicy ?? index.mesh.outboundTrafficPolicy?.mode ?? null,
      tcp,
      proxyProtocol: node.role === 'gateway' && proxiedGateways(index.mesh),
      clientCert: clientCertOf(node.role, index.mesh),
      mtls: mtlsMode(policies('PeerAuthentication'), node),
      meshTls: limitsOf(index.mesh.meshMTLS),
      clusters: this.table.clusters,
      network: [...networkPlacements(kinds, scope), ...protocolPlacements(scope, spoken, index.services)],
      services: servicePlugins(scope),
      telemetry,
    };
    return { snapshot, staged, chains };
  }

  /** Where all requests pass other filters, everything is concerned. */
  private widen({ outbound, gateway }: Chains): void {
    const { concerned, gateways } = this.index;
    if (outbound !== this.chains.outbound) for (const host of this.hosts.keys()) concerned.hosts.add(host);
    if (gateway === this.chains.gateway) return;
    for (const port of gateways.open) for (const domain of gateways.domainsAt(port)) concerned.domain(port, domain);
  }

  private *outboundTable(table: HostTable, chains: ChainBuilder | undefined, staged: Staged[]): Steps<HostTable> {
    if (chains === undefined) return table;
    const { concerned, services, rules } = this.index;
    const compiler = this.hostCompiler(chains);
    const draft = table.edit();
    for (const host of concerned.hosts) {
      const service = services.get(host);
      const after =
        service === undefined
          ? ruledHost(host, rules.byHost.own(host), compiler)
          : serviceHosts(service, services.rankOf(host), rules.byHost.find(host), compiler);
      this.stage(staged, this.hosts, host, after);
      replaceHosts(draft, this.hosts.get(host) ?? NO_HOSTS, after);
      yield;
    }
    return draft.done();
  }

  private *gatewayTables(
    tables: ReadonlyMap<number, HostTable>,
    chains: ChainBuilder | undefined,
    staged: Staged[],
  ): Steps<ReadonlyMap<number, HostTable>> {
    const { concerned, gateways } = this.index;
    const next = new Map<number, HostTable>();
    if (chains === undefined) return next;
    for (const port of [...gateways.open].sort((a, b) => a - b))
      next.set(port, tables.get(port) ?? new HostTable(port));
    const compiler = this.hostCompiler(chains);
    for (const [port, changed] of concerned.domains) {
      const known = this.domains.get(port) ?? new Map<string, CompiledHosts>();
      this.domains.set(port, known);
      const draft = (tables.get(port) ?? new HostTable(port)).edit();
      for (const domain of changed) {
        const after = gateways.compile(port, domain, compiler);
        this.stage(staged, known, domain, after);
        replaceHosts(draft, known.get(domain) ?? NO_HOSTS, after);
        yield;
      }
      if (gateways.isOpen(port)) next.set(port, draft.done());
    }
    return next;
  }

  private stage(staged: Staged[], kept: Map<string, CompiledHosts>, key: string, after: CompiledHosts): void {
    const before = kept.get(key) ?? NO_HOSTS;
    const keep = (): void => {
      if (after.hosts.length === 0) kept.delete(key);
      else kept.set(key, after);
    };
    staged.push({ before, after, keep });
  }

  private hostCompiler(chains: ChainBuilder): HostCompiler {
    const { node, index } = this;
    const { services, mesh } = index;
    const retries = mesh.defaultHttpRetryPolicy;
    const cluster: HostCompiler['cluster'] = (...place) => this.clusterAt(...place);
    return {
      node,
      chains,
      cluster,
      retries,
      imports: (rule, port) => index.scope.importsRule(rule.resource, port),
      routesOf: (rule, gateway, port) =>
        rule.compiledFor(gateway, port, chains, () => {
          const part = compileRoutes(rule.resource, {
            ...{ node, gateway, port, services, cluster, retries },
            chains: chains.at(port),
          });
          this.made.push(part);
          return part;
        }),
    };
  }

  private clusterAt(
    host: string,
    port: number,
    subset: string,
    kind: ClusterRequest['kind'] = 'outbound',
  ): Cluster | null {
    const { services, shapes, mesh } = this.index;
    const service = services.get(host);
    const found = service?.ports.find((candidate) => candidate.number === port);
    if (service === undefined || found === undefined) return null;
    const name = clusterName(host, port, subset, kind);
    const known = this.interned.get(name);
    if (known !== undefined) return known;
    const gateway = this.node.role === 'gateway';
    const spec = clusterSpec({ kind, service, port: found, subset, rules: shapes.of(service), mesh, gateway });
    const cluster = spec === null ? null : this.table.intern(spec);
    if (this.compiling) this.interned.set(name, cluster);
    return cluster;
  }

  private forgetCalled(cluster: Cluster): void {
    this.called.forget(cluster);
    if (this.inUse.releaseCluster(cluster)) this.gone.add(cluster);
  }

  /** What the registry says that the application speaks; ''. */
  private spokenHere(inbound: VirtualHost | null): string {
    const { services, mesh } = this.index;
    return inbound === null ? '' : spokenAt(services.get(inbound.service), inbound.port, mesh.serverFirstPorts);
  }

  /** The one virtual host of the inbound port: whatever arrives is for the application, and for nothing else. */
  private inboundHost(chains: ChainBuilder | undefined, staged: Staged[]): VirtualHost | null {
    const { node, memo } = this;
    if (node.app === null || chains === undefined) return null;
    const { port } = node.app;
    const service = node.services[0] ?? '';
    const host = service === '' ? '' : fullHost(service, node.namespace, this.index.services);
    const name = `inbound|${port}||`;
    const spoken = node.app.protocol ?? spokenAt(this.index.services.get(host), port, this.index.mesh.serverFirstPorts);
    const grpcWeb = spoken.toUpperCase() === GRPC_WEB;
    const cluster = this.table.intern(applicationSpec(name, host, port, spoken));
    const chain = chains.at(port).route(null);
    const route = plainRoute({ name: 'default', cluster, clusterName: name, chain, retry: INBOUND_RETRIES });
    const after = memo.of(`inbound ${port} ${host}`, [cluster, chains, grpcWeb], (): CompiledHosts => {
      const part = new RoutePart([route]);
      const made: VirtualHost = {
        name: `inbound|http|${port}`,
        domains: ['*'],
        service: host,
        port,
        asNamed: false,
        grpcWeb,
        unrouted: null,
        routes: part.routes,
      };
      return { hosts: [{ rank: '', host: made }], parts: [part] };
    });
    const before = this.inbound;
    if (after !== before) staged.push({ before, after, keep: () => (this.inbound = after) });
    return after.hosts[0].host;
  }
}
