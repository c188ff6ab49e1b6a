// A proxy while it runs: joins configuration, shards, source, admin and telemetry, and knows in which order they begin and
// end. What each of them does is its own file's.

import { randomBytes } from 'node:crypto';
import { extname, join } from 'node:path';
import { sumHttp2 } from '../admin/dumps.ts';
import { type Admin, type AdminHost, askAdmin, type ServerInfo, startAdmin } from '../admin/server.ts';
import { hostPort } from '../host-port.ts';
import type { Http2Dump, ListenerDump } from '../shard/dump.ts';
import { createShardMemory, releaseShardMemory, type ShardMemory } from '../shard/memory.ts';
import type { DumpKind, ModuleSpec, ToShard } from '../shard/protocol.ts';
import { Exposition } from '../telemetry/prometheus.ts';
import { StatisticsRegistry } from '../telemetry/registry.ts';
import { FilterThreads } from '../threads/filter-threads.ts';
import { type News, Shards } from '../threads/shards.ts';
import { TrialThread } from '../threads/trial-thread.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import { Metrics } from '../wasm/shared/metrics.ts';
import { releaseDeadShard } from '../wasm/shared/shared-memory.ts';
import type { Node, WorkloadIdentity } from '../workload.ts';
import { Configuration } from './configuration.ts';
import { Credentials, type CredentialsOptions } from './credentials.ts';
import { endProxy } from './end.ts';
import { registerExpiry, registerFigures } from './figures.ts';
import type { ProxyLog } from './log.ts';
import type { LogOutput } from './log-writer.ts';
import { ModuleFolder } from './module-folder.ts';
import type { ProxyOptions, Proxy as WeftProxy } from './options.ts';
import { PluginModules } from './plugin-modules.ts';
import { PluginRestarts } from './plugin-restarts.ts';
import { PortUnavailable, reason } from './ports.ts';
import { Registration } from './registration.ts';
import { DRAIN_TIMEOUT_MS, serverInfo } from './server-info.ts';
import { shardOptions } from './shard-options.ts';
import type { Source } from './source.ts';
import { TokenKeys } from './token-keys.ts';
import { WorkloadCertificate } from './workload-certificate.ts';

export interface Parts {
  readonly options: ProxyOptions;
  readonly log: ProxyLog;
  readonly shards: number;
  readonly reusePort: boolean;
  /** Inbound and outbound, on ports that were free a moment ago. */
  readonly fixed: readonly ListenerSpec[];
  readonly modules: readonly ModuleSpec[];
  readonly accessLog: LogOutput;
}

const SHARD = new URL(`../shard/shard${extname(import.meta.filename)}`, import.meta.url);
const STUCK_AFTER_MS = 5_000;
/** Threads for slow filters, and how long one of these may work on one thing. */
const FILTER_THREADS = 2;
const DEADLINE_MS = 1_000;
const LEASE_TTL_MS = 15_000;

export class RunningProxy implements WeftProxy {
  readonly node: Node;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  private readonly parts: Parts;
  private readonly configuration: Configuration;
  private readonly trials = new TrialThread();
  private readonly plugins: PluginModules;
  private readonly statistics: StatisticsRegistry;
  private readonly shared: ShardMemory;
  private readonly exposition: Exposition;
  private readonly restarts: PluginRestarts;
  private readonly keys: TokenKeys;
  private readonly certificate: WorkloadCertificate;
  private readonly credentials: Credentials;
  private readonly registration: Registration;
  private readonly filterThreads: FilterThreads;
  private readonly startedAt = Date.now();
  private readonly sessionSeed = randomBytes(32).toString('base64');
  // Made by start, in this order.
  private adminServer: Admin | null = null;
  private shards: Shards | null = null;
  private source: Source | null = null;

  private listening: readonly ListenerDump[] = [];
  private http2: Partial<Http2Dump> = {};
  private draining: Promise<void> | null = null;
  private closing: Promise<void> | null = null;
  private readonly becameReady: () => void;
  private readonly neverReady: (error: Error) => void;
  private readonly hasExited: () => void;

  constructor(parts: Parts) {
    const { options, fixed, log, shards } = parts;
    this.parts = parts;
    this.node = options.node;
    const ready = Promise.withResolvers<void>();
    // Whoever waits for it hears of it; nobody has to.
    ready.promise.catch(() => undefined);
    this.ready = ready.promise;
    this.becameReady = ready.resolve;
    this.neverReady = ready.reject;
    const exited = Promise.withResolvers<void>();
    this.exited = exited.promise;
    this.hasExited = exited.resolve;
    this.statistics = new StatisticsRegistry(shards);
    this.shared = createShardMemory(shards, FILTER_THREADS);
    const filterMetrics = new Metrics(this.shared.guests.metrics, 0);
    const figures = { filterMetrics: () => filterMetrics.all(), expireAfterMs: options.seriesExpiryMs };
    this.exposition = new Exposition(this.statistics, figures);
    this.restarts = new PluginRestarts(this.exposition);
    const { stateDir } = options;
    this.plugins = new PluginModules({
      node: options.node,
      source: () => this.source,
      folder:
        stateDir === undefined || stateDir === null ? null : new ModuleFolder(join(stateDir, 'modules'), log.write),
      trials: this.trials,
      log: log.write,
    });
    this.filterThreads = new FilterThreads({
      threads: FILTER_THREADS,
      deadlineMs: DEADLINE_MS,
      node: options.node,
      shared: this.shared.guests,
      firstSlot: shards,
      logLevel: () => log.level,
      log: log.write,
      restarted: (plugin, reason) => this.restarts.restarted(plugin, reason),
      died: (slot) => void releaseDeadShard(this.shared.guests, slot),
    });
    this.configuration = new Configuration(
      {
        node: options.node,
        fixed,
        gatewayAddress: options.gatewayAddress ?? '127.0.0.1',
        gatewayPorts: options.gatewayPorts ?? {},
        log: log.write,
        onAdopted: () => {
          this.credentials.adopted();
          this.keys.follow(this.configuration.running!.resources.values());
          this.becameReady();
        },
        plugins: this.plugins,
        credentials: { prepare: (resources) => this.credentials.prepare(resources) },
        filterThreads: this.filterThreads,
      },
      () => this.shards!,
    );
    const own = { node: options.node, stateDir: options.stateDir ?? null, log: log.write };
    const post = (message: ToShard): void => this.shards?.post(message);
    this.keys = new TokenKeys({ ...own, post, allowPrivate: options.allowPrivateFetch ?? false });
    const changed = (identity: WorkloadIdentity): void => post({ type: 'identity', identity });
    this.certificate = new WorkloadCertificate({ ...own, changed });
    const expiry: CredentialsOptions['expiry'] = (name, seconds) => registerExpiry(this.exposition, { name }, seconds);
    this.credentials = new Credentials({ ...own, post, expiry });
    this.registration = new Registration(options.register ?? true, () => this.source);
    this.registerFigures();
  }

  async start(): Promise<void> {
    this.adminServer = await this.startAdmin();
    await Promise.all([this.keys.load(), this.certificate.load(), this.credentials.load()]);
    this.shards = this.startShards();
    this.source = await this.openSource();
    await this.source.start();
  }

  get admin(): string | null {
    return this.adminServer?.url ?? null;
  }

  get listeners(): readonly ListenerSpec[] {
    return this.configuration.listeners;
  }

  get waiting(): WeftProxy['waiting'] {
    return { reason: this.state().reason, refused: this.configuration.refusal !== null };
  }

  get outbound(): string | null {
    return this.urlOf('outbound');
  }

  get inbound(): string | null {
    return this.urlOf('inbound');
  }

  register(): Promise<void> {
    return this.registration.offer(true);
  }

  unregister(): Promise<void> {
    return this.registration.offer(false);
  }

  /** Others first, then ourselves, then who is still at it: discovery, listeners, requests under way. */
  async drain(): Promise<void> {
    await this.finish();
    await this.close();
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  /** What admin may know and do. */
  private adminHost(): AdminHost {
    const { log } = this.parts;
    return {
      state: () => this.state(),
      dump: (kind) => this.query(kind),
      lookForSecrets: () => this.credentials.look(),
      secrets: () => [...this.certificate.secrets(), ...this.credentials.secrets()],
      serverInfo: () => this.serverInfo(),
      prometheus: async () => {
        this.listening = ((await this.query('listeners')) as ListenerDump[][]).flat();
        this.http2 = sumHttp2((await this.query('http2')) as Http2Dump[]);
        return this.exposition.render();
      },
      logLevel: (level) => {
        if (level !== undefined) {
          log.level = level;
          this.shards?.post({ type: 'log-level', level });
          this.filterThreads.setLogLevel(level);
        }
        return log.level;
      },
      drain: () => void this.finish(),
      quit: () => void this.drain(),
      healthcheck: (fail) => void this.registration.fail(fail),
    };
  }

  private state(): ReturnType<AdminHost['state']> {
    const { running, refusal } = this.configuration;
    if (this.draining !== null || this.closing !== null)
      return { state: 'DRAINING', reason: 'no new requests are taken' };
    if (running === null) {
      const source = this.source?.status() ?? 'its source';
      const why = refusal === null ? `no configuration yet from ${source}` : `the configuration is refused: ${refusal}`;
      return { state: 'PRE_INITIALIZING', reason: why };
    }
    if (this.shards === null || this.shards.serving === 0) {
      return { state: 'PRE_INITIALIZING', reason: 'no shard serves now' };
    }
    if (this.registration.failed) return { state: 'DRAINING', reason: 'POST /healthcheck/fail was asked for' };
    const wanting = [this.source?.held() ?? '', ...this.plugins.missing.map(({ reason }) => reason)];
    return { state: 'LIVE', reason: wanting.filter((clause) => clause !== '').join('; ') };
  }

  private query(kind: DumpKind): Promise<readonly unknown[]> {
    return this.shards?.query(kind) ?? Promise.resolve([]);
  }

  private serverInfo(): ServerInfo {
    const { options, shards, log } = this.parts;
    const { startedAt, node, source, configuration } = this;
    const facts = { startedAt, node, shards, revision: configuration.running?.revision ?? -1 };
    return serverInfo(options, { ...facts, source: source?.status() ?? '', logLevel: log.level });
  }

  // How it begins and ends.

  private async startAdmin(): Promise<Admin | null> {
    const { admin = { address: '127.0.0.1', port: 0 } } = this.parts.options;
    if (admin === null) return null;
    try {
      return await startAdmin({ ...admin, host: this.adminHost() });
    } catch (error) {
      throw new PortUnavailable(`admin: ${reason(error as NodeJS.ErrnoException, admin.address, admin.port)}`);
    }
  }

  private startShards(): Shards {
    const { options, shards, reusePort, modules, log } = this.parts;
    const { node, shared, statistics } = this;
    const ownPort = this.admin === null ? [] : [Number(new URL(this.admin).port)];
    return new Shards({
      count: shards,
      file: options.shardFile ?? SHARD,
      start: (index) => ({
        ...{ shards, node, modules, shared, filterThreads: FILTER_THREADS },
        statistics: statistics.memory[index],
        series: statistics.series(index),
        options: shardOptions(options, {
          ownPorts: ownPort,
          reusePort,
          logLevel: log.level,
          sessionSeed: this.sessionSeed,
        }),
      }),
      stuckAfterMs: options.stuckAfterMs ?? STUCK_AFTER_MS,
      log: log.write,
      greeting: () => [
        ...this.certificate.greeting(),
        ...this.credentials.greeting(),
        ...this.keys.greeting(),
        ...this.configuration.greeting(),
      ],
      received: (index, message) => this.received(index, message),
      died: (index) => releaseShardMemory(this.shared, index),
    });
  }

  /** A proxy loads nothing that it never needs: neither NATS beside files, nor a YAML parser beside NATS. */
  private async openSource(): Promise<Source> {
    const { options, log } = this.parts;
    const { source, stateDir } = options;
    const { configuration } = this;
    if (source.kind === 'files') {
      const { FileSource } = await import('./file-source.ts');
      return new FileSource(source.dir, configuration, log.write);
    }
    const [{ BusSource }, { StateFolder }] = await Promise.all([import('./bus-source.ts'), import('./state.ts')]);
    return new BusSource({
      bus: source.bus,
      node: this.node,
      configuration,
      log: log.write,
      state: stateDir === undefined || stateDir === null ? null : new StateFolder(stateDir, log.write),
      certificate: this.certificate,
      credentials: this.credentials,
      ask: ({ method, path }) => askAdmin(this.adminHost(), method, path),
      version: options.version ?? 'unknown',
      leaseTtlMs: options.leaseTtlMs ?? LEASE_TTL_MS,
      register: this.registration.stands,
      shards: () => this.shards?.serving ?? 0,
      admin: () => this.admin ?? '',
      inbound: () => this.listeners.find(({ kind }) => kind === 'inbound') ?? null,
    });
  }

  private received(shard: number, message: News): void {
    const { accessLog, log } = this.parts;
    switch (message.type) {
      case 'series':
        this.statistics.announced(shard, message);
        return;
      case 'series-gone':
        this.statistics.gone(shard, message.slot);
        return;
      case 'access-log':
        accessLog.write(message.lines, () => this.statistics.logTaken(shard, message.lines.length));
        return;
      case 'keys-missing':
        this.keys.missing(message.source);
        return;
      case 'filter-thread':
        this.filterThreads.connect(message.thread, message.port);
        return;
      case 'plugin-restarted':
        this.restarts.restarted(message.plugin, message.reason);
        return;
      case 'log':
        log.write(message.level, message.component, message.message);
    }
  }

  finish(): Promise<void> {
    this.draining ??= this.finishNow();
    return this.draining;
  }

  private async finishNow(): Promise<void> {
    const { options, log } = this.parts;
    const drainTimeoutMs = options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS;
    log.write('info', 'main', `drains: what has begun may take ${drainTimeoutMs} ms`);
    await this.registration.end();
    const result = await this.shards?.drain(drainTimeoutMs);
    if (result === 'late') log.write('warning', 'main', 'what was not finished in time is cut off');
  }

  private async closeNow(): Promise<void> {
    this.neverReady(new Error('the proxy ended before it was ready'));
    const { source, keys, certificate, credentials, shards, trials, filterThreads, adminServer: admin } = this;
    const { accessLog, log } = this.parts;
    await endProxy({ source, keys, certificate, credentials, shards, trials, filterThreads, admin, accessLog, log });
    this.hasExited();
  }

  private registerFigures(): void {
    registerFigures(this.exposition, {
      version: this.parts.options.version ?? 'unknown',
      startedAt: this.startedAt,
      live: () => this.state().state === 'LIVE',
      revision: () => this.configuration.running?.revision ?? 0,
      rejected: () => this.configuration.rejected,
      shards: () => this.shards ?? { count: this.parts.shards, serving: 0, restarts: 0 },
      listeners: () => this.listening,
      http2: () => this.http2,
      keys: () => this.keys,
      certificateExpiresIn: () => this.certificate.expiresIn,
      linesDropped: () => this.statistics.logDropped + this.parts.accessLog.dropped,
    });
  }

  private urlOf(kind: ListenerSpec['kind']): string | null {
    const listener = this.listeners.find((candidate) => candidate.kind === kind);
    return listener === undefined ? null : `http://${hostPort(listener.address, listener.port)}`;
  }
}
