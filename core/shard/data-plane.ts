// One shard's data plane: what its requests go through and ask for, kept in step with the configuration. It compiles and
// swaps snapshots, opens and drains listeners, and knows peers, endpoints and connections to them. The path of a request
// through it is core/proxy.ts.

import { isDeepStrictEqual } from 'node:util';
import { ObservationLog } from '../builtins/rbac/observed.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { EndpointTable } from '../cluster/endpoint-table.ts';
import type { PoolEndpoint } from '../cluster/pool.ts';
import { Resolver } from '../cluster/resolver.ts';
import { SharedLimits } from '../cluster/shared-limits.ts';
import type { Problem } from '../config/resource.ts';
import type { Credential } from '../credential.ts';
import { AsyncClient } from '../exchange/async-client.ts';
import type { Codecs } from '../http/codec.ts';
import { CODECS, connectionPath } from '../proxy.ts';
import { type Change, type Compiled, Compiler, Uncompilable } from '../snapshot/compile.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { atOnce, type Steps } from '../steps.ts';
import { awaitGreeting } from '../tcp/greeting.ts';
import { networkFiltersFor } from '../tcp/network-filter.ts';
import type { RecordSink } from '../telemetry/record-sink.ts';
import { Timers } from '../timers.ts';
import { Dialer } from '../transport/dial.ts';
import { Listener } from '../transport/listener.ts';
import { listenerCounts } from '../transport/listener-counts.ts';
import type { ListenerSpec, MtlsMode } from '../transport/listener-spec.ts';
import { OnePeer, Peers } from '../transport/peers.ts';
import { CertifiedSockets } from '../transport/tls/certified-sockets.ts';
import { credentialsOf } from '../transport/tls/credentials.ts';
import { InboundTls } from '../transport/tls/inbound.ts';
import { OutboundTls } from '../transport/tls/outbound.ts';
import type { Terminators } from '../transport/tls/terminators.ts';
import type { Transport } from '../transport/transport.ts';
import { Metrics } from '../wasm/shared/metrics.ts';
import type { Node, WorkloadIdentity } from '../workload.ts';
import type { DataPlaneEnvironment, ShardContext } from './context.ts';
import { dump } from './dump.ts';
import { GatewayTls } from './gateway-tls.ts';
import { Passthrough } from './passthrough.ts';
import type { ConfigUpdate, DumpKind, EndpointUpdate, LogLevel, PluginModule, ShardOptions } from './protocol.ts';
import { Upstreams } from './upstreams.ts';
import { WasmFilters } from './wasm-filters.ts';

export interface DataPlane {
  /** Compiles and swaps one snapshot; when not ok the old one serves on. To be run to its end before anything else is told. */
  applyConfig(update: ConfigUpdate): Steps<{ ok: boolean; problems: readonly Problem[] }>;
  /** As `applyConfig`. Where others have their admin, no request may be sent to. */
  changeEndpoints(update: EndpointUpdate): Steps<void>;
  /** The code of plugins that configurations from now on may name; what is not among them is forgotten. */
  setModules(modules: readonly PluginModule[]): void;
  /** By what its workload is known from now on. */
  setIdentity(identity: WorkloadIdentity): void;
  /** What the configuration names and does not hold, from now on; null: it is no more. */
  setCredential(name: string, credential: Credential | null): void;
  setLogLevel(level: LogLevel): void;
  /** Opens listeners that are new, closes those that are not named. Rejects with the address that cannot be bound. */
  listen(listeners: readonly ListenerSpec[]): Promise<void>;
  /** Tells everybody to go, then takes no new connection, and finishes what has begun. */
  drain(): Promise<void>;
  dump(what: DumpKind): unknown;
  close(): void;
}

/** How long the news that a workload leaves may travel before it stops listening. */
const FORGOTTEN_MS = 250;
/** How long who holds an idle connection may take to send its next request, whose answer says that it is the last. */
const GRACE_MS = 1_000;

/** `codecs`: what reads and writes its connections. */
export function createDataPlane(environment: DataPlaneEnvironment, codecs: Codecs = CODECS): DataPlane {
  return new ShardDataPlane(environment, codecs);
}

class ShardDataPlane implements DataPlane, ShardContext {
  readonly node: Node;
  readonly options: ShardOptions;
  readonly timers = new Timers();
  readonly sink: RecordSink;
  readonly observed: ObservationLog;
  snapshot: Snapshot;
  active = 0;
  readonly random = Math.random;
  readonly log: DataPlaneEnvironment['log'];
  private readonly codecs: Codecs;
  private readonly peers = new Peers();
  private readonly certified = new CertifiedSockets();
  private readonly inboundTls: InboundTls;
  private identity: WorkloadIdentity | null = null;
  private readonly outboundTls = new OutboundTls(this.certified);
  private readonly gatewayTls: GatewayTls;
  private readonly upstreams: Upstreams;
  private readonly endpoints: EndpointTable;
  private readonly listeners = new Map<string, Listener>();
  private readonly filters: WasmFilters;
  private readonly compiler: Compiler;
  private readonly hosts: Passthrough;

  constructor(environment: DataPlaneEnvironment, codecs: Codecs) {
    this.codecs = codecs;
    this.node = environment.node;
    this.options = environment.options;
    this.sink = environment.sink;
    this.log = environment.log;
    const metrics = new Metrics(environment.shared.guests.metrics, environment.shard);
    this.observed = new ObservationLog(metrics, (line) => this.log('info', 'rbac', line));
    const { sessionSeed, handshakeTimeoutMs } = environment.options;
    this.inboundTls = new InboundTls(this.certified, handshakeTimeoutMs);
    this.gatewayTls = new GatewayTls(sessionSeed, handshakeTimeoutMs, this.certified, this.log);
    const dialer = new Dialer(this.node.address, this.peers, this.outboundTls);
    this.upstreams = new Upstreams(codecs, dialer, this.outboundTls, this);
    this.endpoints = new EndpointTable(this.upstreams);
    const endpointOf = (...place: Parameters<EndpointTable['at']>): Endpoint => this.endpoints.at(...place);
    const hides = (name: string, port: number): boolean => this.compiler.hides(name, port);
    this.hosts = new Passthrough(this, hides, () => this.ownPorts());
    const resolver = new Resolver(endpointOf, (address, port) => this.hosts.refuses(address, port));
    this.hosts.resolver = resolver;
    const calls = new AsyncClient(this.timers, (name) => this.compiler.upstream(name));
    this.filters = new WasmFilters(environment, this.timers, calls);
    const limits = new SharedLimits(environment.shared.limits, environment.shard);
    this.compiler = new Compiler(
      this.node,
      {
        endpoint: endpointOf,
        random: this.random,
        resolver: (cluster) => resolver.resolverOf(cluster),
        limits: { timers: this.timers, counts: (cluster) => limits.of(cluster) },
      },
      this.filters,
    );
    this.snapshot = atOnce(this.compiler.compile({ resources: null, endpoints: null }, 0)).snapshot;
    this.populateInbound();
  }

  *applyConfig(update: ConfigUpdate): Steps<{ ok: boolean; problems: readonly Problem[] }> {
    try {
      const { problems } = yield* this.compile({ resources: update, endpoints: null }, update.revision);
      return { ok: true, problems };
    } catch (error) {
      if (!(error instanceof Uncompilable)) throw error;
      return { ok: false, problems: error.problems };
    }
  }

  *changeEndpoints({ upserts, removals }: EndpointUpdate): Steps<void> {
    for (const key of removals) {
      this.hosts.protect(key, null);
      this.peers.learn(key, []);
      yield;
    }
    for (const [key, { admin, endpoints, dialling }] of upserts) {
      this.hosts.protect(key, admin);
      this.peers.learn(key, dialling === undefined ? endpoints : [...endpoints, ...dialling]);
      yield;
    }
    const told = upserts.map(([key, { endpoints }]) => [key, endpoints] as const);
    // Services may come and go with who registers them.
    yield* this.compile({ resources: null, endpoints: { upserts: told, removals } }, this.snapshot.revision);
  }

  setModules(modules: readonly PluginModule[]): void {
    this.filters.setModules(modules);
  }

  setIdentity(identity: WorkloadIdentity): void {
    this.identity = identity;
    const closed = this.certified.revoke(identity.revoked);
    if (closed > 0) this.log('warning', 'listener', `${closed} connections are closed: their proxies were revoked`);
    this.adopt(identity);
    this.gatewayTls.setIdentity(identity);
    for (const listener of this.listeners.values()) this.secure(listener);
  }

  /** For handshakes that begin from now on. */
  private adopt(identity: WorkloadIdentity): void {
    const credentials = credentialsOf(identity, this.snapshot.meshTls);
    this.inboundTls.adopt(credentials);
    this.outboundTls.adopt(credentials);
  }

  setCredential(name: string, credential: Credential | null): void {
    this.gatewayTls.learn(name, credential);
    this.upstreams.learn(name, credential);
  }

  private protect(listener: Listener): void {
    const { snapshot } = this;
    listener.proxyProtocol = listener.spec.kind === 'gateway' && snapshot.proxyProtocol;
    listener.mtls = mtlsOf(listener.spec, snapshot);
    const { inbound, detected, detectMs } = snapshot.tcp;
    const bytes = inbound !== null || detected !== null;
    listener.greetMs = bytes ? detectMs : 0;
    listener.ownTls = bytes;
    listener.terminators = this.terminatorsOf(listener.spec);
  }

  /** Sidecars alone speak it to each other. */
  private secure(listener: Listener): void {
    if (listener.spec.kind === 'inbound' && this.outboundTls.ready) listener.tls = this.inboundTls;
  }

  setLogLevel(level: LogLevel): void {
    this.filters.setLogLevel(level);
  }

  async listen(wanted: readonly ListenerSpec[]): Promise<void> {
    const names = new Set(wanted.map(listenerKey));
    const own = new OnePeer(this.node);
    for (const [key, listener] of this.listeners) {
      if (names.has(key)) continue;
      this.listeners.delete(key);
      void listener.drain(0, this.graceMs);
      setTimeout(() => listener.close(), this.options.drainTimeoutMs).unref();
    }
    for (const spec of wanted) {
      const key = listenerKey(spec);
      if (this.listeners.has(key)) continue;
      const counts = listenerCounts();
      const listener = new Listener(
        {
          spec,
          counts,
          reusePort: this.options.reusePort,
          handshakeMs: this.options.handshakeTimeoutMs,
          // Only this proxy's own application is at the outbound port.
          peers: spec.kind === 'outbound' ? own : this.peers,
          greet: (told) => awaitGreeting(this, told),
          log: this.log,
        },
        connectionPath({ shard: this, spec, counts }, this.codecs),
      );
      await listener.open();
      // In the turn in which it opened: neither a connection nor another snapshot comes in between.
      this.listeners.set(key, listener);
      listener.networkFilters = networkFiltersFor(this.snapshot.network, spec);
      this.protect(listener);
      this.secure(listener);
    }
  }

  /** Inbound ends first: the application may need its outbound listener for as long as it answers. */
  async drain(): Promise<void> {
    const of = (outbound: boolean): Listener[] =>
      [...this.listeners.values()].filter(({ spec }) => (spec.kind === 'outbound') === outbound);
    await Promise.all(of(false).map((listener) => listener.drain(this.acceptMs, this.graceMs)));
    await Promise.all(of(true).map((listener) => listener.drain(0, this.graceMs)));
  }

  private get graceMs(): number {
    return Math.min(GRACE_MS, this.options.drainTimeoutMs / 4);
  }

  private get acceptMs(): number {
    return Math.min(FORGOTTEN_MS, this.options.drainTimeoutMs / 4);
  }

  dump(what: DumpKind): unknown {
    return dump(what, this.snapshot, [...this.listeners.values()], this.filters);
  }

  close(): void {
    for (const listener of this.listeners.values()) listener.close();
    this.endpoints.destroy();
    this.filters.close();
    this.timers.stop();
  }

  passthrough(...asked: Parameters<ShardContext['passthrough']>): ReturnType<ShardContext['passthrough']> {
    return this.hosts.find(...asked);
  }

  private *compile(change: Change, revision: number): Steps<Compiled> {
    const compiled = yield* this.compiler.compile(change, revision);
    const { snapshot, filters } = compiled;
    if (snapshot !== this.snapshot) {
      const { meshTls } = this.snapshot;
      this.snapshot = snapshot;
      if (this.identity !== null && !isDeepStrictEqual(meshTls, snapshot.meshTls)) this.adopt(this.identity);
      this.filters.retain(snapshot, filters);
      this.gatewayTls.configure(snapshot.tls);
      for (const listener of this.listeners.values()) {
        listener.networkFilters = networkFiltersFor(snapshot.network, listener.spec);
        this.protect(listener);
      }
      this.populateInbound();
    }
    yield* this.compiler.clear();
    this.endpoints.sweep();
    return compiled;
  }

  private terminatorsOf({ kind, configuredPort }: ListenerSpec): Terminators | null {
    return kind === 'gateway' ? this.gatewayTls.at(configuredPort) : null;
  }

  /** The application is no endpoint of the registry: it is where this proxy's inbound port leads. */
  private populateInbound(): void {
    const { app } = this.node;
    for (const { action } of this.snapshot.inbound?.routes ?? []) {
      if (action.type !== 'forward' || app === null) continue;
      for (const { cluster } of action.targets) {
        if (cluster?.endpoints.length === 0) cluster.setEndpoints([this.endpoints.at(app.address, app.port)]);
      }
    }
  }

  connect(
    endpoint: PoolEndpoint,
    connected: (transport: Transport) => void,
    failed: (text: string) => void,
    header: Buffer | null,
  ): () => void {
    return this.upstreams.connect(endpoint, connected, failed, 'bytes', header);
  }

  private ownPorts(): readonly number[] {
    return [...this.options.protectedPorts, ...[...this.listeners.values()].map(({ spec }) => spec.port)];
  }
}

function mtlsOf({ kind }: ListenerSpec, snapshot: Snapshot): MtlsMode {
  return kind === 'inbound' ? snapshot.mtls : 'DISABLE';
}

function listenerKey(spec: ListenerSpec): string {
  return `${spec.kind} ${spec.address} ${spec.port} ${spec.configuredPort}`;
}
