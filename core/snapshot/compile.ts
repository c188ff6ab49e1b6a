// Compiles the mesh's configuration into a snapshot for one proxy. Pure but for what it interns: the same state gives
// the same routes, and pieces whose sources did not change are the same objects as before. The control plane runs it
// dry, to validate.

import type { Policies } from '../builtins/builtin.ts';
import type { ChainKind } from '../builtins/order.ts';
import { INBOUND_RETRIES } from '../builtins/retry/policy.ts';
import { telemetryAt } from '../builtins/telemetry/telemetry.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { DEFAULT_POLICY } from '../cluster/cluster.ts';
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import type { Problem, Resource } from '../config/resource.ts';
import { isVisible } from '../config/visibility.ts';
import { HostTable } from '../router/hosts.ts';
import { plainRoute } from '../router/plain-route.ts';
import type { VirtualHost } from '../router/route.ts';
import type { Node } from '../workload.ts';
import { chainKinds } from './chain-plan.ts';
import { ClusterTable, clusterSpec, type EndpointSource } from './clusters.ts';
import { DestinationRules } from './destination-rules.ts';
import { FilterUpstreams, type Registry } from './filter-upstreams.ts';
import type { ChainBuilder, FilterSource } from './filters.ts';
import { chainsOf, type ListenerFilterScope, networkPlacements, servicePlugins } from './listener-filters.ts';
import { Memo } from './memo.ts';
import { policiesIn } from './policies.ts';
import { collectServices, fullHost, type MeshState, type Service, workloadEntries } from './services.ts';
import type { Snapshot } from './snapshot.ts';
import { gatewayHosts, type HostCompiler, outboundHosts } from './virtual-hosts.ts';

export interface Compiled {
  readonly snapshot: Snapshot;
  /** Warnings: what the configuration refers to and is not there. */
  readonly problems: readonly Problem[];
}

/** Compiles one snapshot after the other for one proxy, sharing structure between them. */
export class Compiler {
  private readonly node: Node;
  private readonly filters: FilterSource;
  private readonly memo = new Memo();
  private readonly table: ClusterTable;
  private readonly called: FilterUpstreams;
  /** Of the last compile, or of the one in progress: filters that it configures may call at once. */
  private registry: Registry = { services: new Map(), cluster: () => null };
  /** Of the last snapshot. */
  private clusters = new Map<string, Cluster>();
  private generation = 0;

  constructor(node: Node, endpoints: EndpointSource, filters: FilterSource) {
    this.node = node;
    this.filters = filters;
    this.table = new ClusterTable(endpoints);
    this.called = new FilterUpstreams(node);
  }

  /** Throws when the configuration cannot be compiled; the previous snapshot and its clusters are then untouched. */
  compile(state: MeshState, revision: number): Compiled {
    const before = this.registry;
    try {
      const policies = policiesIn(state.resources);
      const services = collectServices(policies, state, this.node, this.memo);
      const compiled = this.assemble(policies, services, revision);
      this.memo.commit();
      this.table.commit(new Set(compiled.snapshot.clusters.values()));
      this.clusters = compiled.clusters;
      this.populate(state);
      return compiled;
    } catch (error) {
      this.registry = before;
      this.memo.rollback();
      this.table.rollback();
      throw error;
    }
  }

  /** Endpoints changed and the services are the same: nothing is compiled. */
  populate(state: MeshState): void {
    this.table.populate(this.registry.services, [
      ...state.endpoints,
      ...workloadEntries(policiesIn(state.resources)('WorkloadEntry'), this.node.trustDomain),
    ]);
  }

  /** The cluster that a filter means by `name`, see FilterUpstreams.find; it is in this and in later snapshots. */
  upstream(name: string): Cluster | null {
    const known = this.clusters.get(name);
    if (known !== undefined) return known;
    const cluster = this.called.find(name, this.registry);
    if (cluster === null || this.clusters.has(cluster.name)) return cluster;
    this.clusters.set(cluster.name, cluster);
    this.table.populateOne(cluster);
    return cluster;
  }

  private assemble(
    policies: Policies,
    services: ReadonlyMap<string, Service>,
    revision: number,
  ): Compiled & { clusters: Map<string, Cluster> } {
    const { memo, table, node } = this;
    const problems: Problem[] = [];
    const rules = new DestinationRules(policies('DestinationRule'), node, services);
    const virtualServices = policies('VirtualService').filter(({ metadata, spec }) =>
      isVisible(spec.exportTo, metadata.namespace, node.namespace),
    );
    const scope: ListenerFilterScope = { node, memo, source: this.filters, policies };
    const kinds = chainKinds(node);
    const cluster = (host: string, port: number, subset: string): Cluster | null => {
      const service = services.get(host);
      const found = service?.ports.find((candidate) => candidate.number === port);
      if (service === undefined || found === undefined) return null;
      const spec = clusterSpec({ service, port: found, subset, rules: rules.of(service) });
      return spec === null ? null : table.intern(spec);
    };
    this.registry = { services, cluster };
    const compilerOf = (kind: ChainKind): HostCompiler => ({
      node,
      services,
      virtualServices,
      memo,
      problems,
      cluster,
      chains: chainsOf(kind, scope),
      dependencies: (rule) =>
        destinationHosts(rule, services).flatMap((host) => {
          const service = services.get(host);
          return service === undefined ? [undefined] : [service, ...rules.of(service).sources];
        }),
    });
    const outbound = kinds.includes('outbound') ? outboundHosts(compilerOf('outbound')) : [];
    const gateways = new Map<number, HostTable>();
    if (kinds.includes('gateway')) {
      for (const [port, hosts] of gatewayHosts(compilerOf('gateway'), policies('Gateway'))) {
        gateways.set(port, new HostTable(hosts, port));
      }
    }
    const inbound = node.app === null ? null : this.inbound(services, node.app.port, chainsOf('inbound', scope));
    const hosts = [...outbound, ...[...gateways.values()].flatMap((hostTable) => hostTable.virtualHosts)];
    const clusters = clustersOf(inbound === null ? hosts : [...hosts, inbound]);
    for (const known of this.called.again(this.registry)) clusters.set(known.name, known);
    const snapshot: Snapshot = {
      revision,
      generation: ++this.generation,
      outbound: new HostTable(outbound, 80),
      gateways,
      inbound,
      clusters,
      network: networkPlacements(kinds, scope),
      services: servicePlugins(scope),
      telemetry: memo.of('telemetry', policies('Telemetry'), () => telemetryAt(policies('Telemetry'), node)),
    };
    return { snapshot, problems, clusters };
  }

  /** The one virtual host of the inbound port: whatever arrives is for the application, and for nothing else. */
  private inbound(services: ReadonlyMap<string, Service>, port: number, chains: ChainBuilder): VirtualHost {
    const { node, memo } = this;
    const service = node.services[0] ?? '';
    const host = service === '' ? '' : fullHost(service, node.namespace, services);
    const name = `inbound|${port}||`;
    const cluster = this.table.intern({
      name,
      kind: 'inbound',
      service: host,
      port,
      subset: '',
      labels: {},
      policy: DEFAULT_POLICY,
      dns: [],
      rule: '',
    });
    return memo.of(`inbound ${port} ${host}`, [cluster, chains], () => ({
      name: `inbound|http|${port}`,
      domains: ['*'],
      service: host,
      port,
      asNamed: false,
      unrouted: null,
      routes: [
        plainRoute({
          name: 'default',
          cluster,
          clusterName: name,
          chain: chains.at(port).route(null),
          retry: INBOUND_RETRIES,
        }),
      ],
    }));
  }
}

function destinationHosts(rule: Resource<VirtualServiceSpec>, services: ReadonlyMap<string, Service>): string[] {
  const hosts = new Set<string>();
  for (const http of rule.spec.http ?? []) {
    for (const route of http.route ?? []) {
      hosts.add(fullHost(route.destination.host, rule.metadata.namespace, services));
    }
  }
  return [...hosts];
}

function clustersOf(hosts: readonly VirtualHost[]): Map<string, Cluster> {
  const clusters = new Map<string, Cluster>();
  for (const host of hosts) {
    for (const route of host.routes) {
      if (route.action.type !== 'forward') continue;
      for (const { cluster } of route.action.targets) if (cluster !== null) clusters.set(cluster.name, cluster);
    }
  }
  return clusters;
}
