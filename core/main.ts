// The main thread of a proxy: owns configuration, shards, admin and telemetry, and never touches a request. A library: the
// command line, the demo and tests call startProxy.

import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BusSource } from './main/bus-source.ts';
import { Configuration } from './main/configuration.ts';
import { FileSource } from './main/file-source.ts';
import { ProxyLog } from './main/log.ts';
import { type LogOutput, openLogOutput } from './main/log-writer.ts';
import { loadBuiltins } from './main/modules.ts';
import type { ProxyOptions, Proxy as WeftProxy } from './main/options.ts';
import { canSharePorts, reservePort } from './main/ports.ts';
import { type News, Shards } from './main/shards.ts';
import type { Source } from './main/source.ts';
import { StateFolder } from './main/state.ts';
import type { ListenerSpec, ShardOptions } from './protocol.ts';
import { StatisticsRegistry } from './telemetry/registry.ts';
import { createSharedData, releaseDeadOwner } from './wasm/shared-data.ts';

export type { Address, ConfigSource, Proxy, ProxyOptions } from './main/options.ts';

const SHARD = new URL(`./shard${extname(import.meta.filename)}`, import.meta.url);
/** How long the news that a workload leaves may travel before it stops listening. */
const QUIET_MS = 250;
/** How long the last lines of the access log may take. */
const LOG_CLOSE_MS = 1_000;

/**
 * Starts a proxy. Rejects, with nothing left running, when an address cannot be had, when the built-in filters are not
 * built, or when the folder it is configured from is refused.
 */
export async function startProxy(options: ProxyOptions): Promise<WeftProxy> {
  const proxy = new RunningProxy(options);
  try {
    await proxy.start();
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}

class RunningProxy implements WeftProxy {
  readonly node: ProxyOptions['node'];
  admin: string | null = null;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  private readonly options: ProxyOptions;
  private readonly logger: ProxyLog;
  private configuration: Configuration | null = null;
  private shards: Shards | null = null;
  private source: Source | null = null;
  private accessLog: LogOutput | null = null;
  private statistics: StatisticsRegistry | null = null;
  private closing: Promise<void> | null = null;
  private draining = false;
  private becameReady!: () => void;
  private neverReady!: (error: Error) => void;
  private hasExited!: () => void;

  constructor(options: ProxyOptions) {
    this.options = options;
    this.node = options.node;
    this.logger = new ProxyLog(options.logLevel ?? 'info', options.log);
    this.ready = new Promise((resolve, reject) => {
      this.becameReady = resolve;
      this.neverReady = reject;
    });
    // Whoever waits for it hears of it; nobody has to.
    this.ready.catch(() => undefined);
    this.exited = new Promise((resolve) => (this.hasExited = resolve));
  }

  get listeners(): readonly ListenerSpec[] {
    return this.configuration?.listeners ?? [];
  }

  get outbound(): string | null {
    return this.urlOf('outbound');
  }

  get inbound(): string | null {
    return this.urlOf('inbound');
  }

  async start(): Promise<void> {
    const { options } = this;
    const { write: log } = this.logger;
    const { format = 'text', file } = options.accessLog ?? {};
    const reusePort = await canSharePorts();
    const count = this.shardCount(reusePort);
    const fixed = await reserveFixed(options);
    const modules = await loadBuiltins();
    this.accessLog = await openLogOutput(file, (message) => log('error', 'access-log', message));
    this.statistics = new StatisticsRegistry(count);
    const shared = createSharedData();
    const configuration = new Configuration(
      {
        node: options.node,
        fixed,
        gatewayAddress: options.gatewayAddress ?? '127.0.0.1',
        gatewayPorts: options.gatewayPorts ?? {},
        log,
        onAdopted: () => this.adopted(),
      },
      () => this.shards!,
    );
    this.configuration = configuration;
    const shardOptions: ShardOptions = {
      protectedPorts: this.protectedPorts(),
      reusePort: reusePort && count > 1,
      logLevel: this.logger.level,
      accessLog: format,
      outboundPolicy: options.outboundPolicy ?? 'ALLOW_ANY',
      drainTimeoutMs: this.drainTimeoutMs,
    };
    this.shards = new Shards({
      count,
      file: options.shardFile ?? SHARD,
      node: options.node,
      options: shardOptions,
      modules,
      shared,
      statistics: this.statistics.memory,
      series: (index) => this.statistics!.series(index),
      stuckAfterMs: options.stuckAfterMs ?? 5_000,
      log,
      greeting: () => configuration.greeting(),
      received: (index, message) => this.received(index, message),
      died: (index) => void releaseDeadOwner(shared, index),
    });
    this.source = this.openSource(configuration);
    await this.source.start();
  }

  register(): Promise<void> {
    return this.source!.register();
  }

  unregister(): Promise<void> {
    return this.source!.unregister();
  }

  async drain(): Promise<void> {
    if (!this.draining && this.closing === null && this.shards !== null) {
      this.draining = true;
      const { write: log } = this.logger;
      log('info', 'main', `drains: what has begun may take ${this.drainTimeoutMs} ms`);
      await this.source?.unregister();
      // Those who have just chosen this endpoint are on their way.
      if (this.options.source.kind === 'bus') await delay(Math.min(QUIET_MS, this.drainTimeoutMs));
      const result = await this.shards.drain(this.drainTimeoutMs);
      if (result === 'late') log('warning', 'main', 'requests that were not finished in time are cut off');
    }
    await this.close();
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  private async closeNow(): Promise<void> {
    this.neverReady(new Error('the proxy ended before it was ready'));
    await this.source?.close();
    await this.shards?.stop();
    await this.accessLog?.close(LOG_CLOSE_MS);
    this.hasExited();
  }

  private get drainTimeoutMs(): number {
    return this.options.drainTimeoutMs ?? 5_000;
  }

  private shardCount(reusePort: boolean): number {
    const wanted = Math.max(1, Math.floor(this.options.shards ?? availableParallelism()));
    if (reusePort || wanted === 1) return wanted;
    this.logger.write(
      'warning',
      'main',
      'one shard instead of several: this system cannot share a port between threads',
    );
    return 1;
  }

  private protectedPorts(): number[] {
    const own = this.admin === null ? [] : [Number(new URL(this.admin).port)];
    return [...own, ...(this.options.protectedPorts ?? [])];
  }

  private openSource(configuration: Configuration): Source {
    const { source } = this.options;
    if (source.kind === 'files') return new FileSource(source.dir, configuration, this.logger.write);
    const state = this.options.stateDir;
    return new BusSource({
      bus: source.bus,
      node: this.node,
      configuration,
      log: this.logger.write,
      state: state === undefined || state === null ? null : new StateFolder(state, this.logger.write),
      version: this.options.version ?? 'unknown',
      leaseTtlMs: this.options.leaseTtlMs ?? 15_000,
      register: this.options.register ?? true,
      shards: () => this.shards?.serving ?? 0,
      admin: () => this.admin ?? '',
      inbound: () => this.listeners.find(({ kind }) => kind === 'inbound') ?? null,
    });
  }

  private adopted(): void {
    this.becameReady();
  }

  private received(shard: number, message: News): void {
    switch (message.type) {
      case 'series':
        this.statistics!.announced(shard, message);
        return;
      case 'access-log':
        this.accessLog!.write(message.lines, () => this.statistics!.logTaken(shard, message.lines.length));
        return;
      case 'log':
        this.logger.write(message.level, message.component, message.message);
    }
  }

  private urlOf(kind: ListenerSpec['kind']): string | null {
    const listener = this.listeners.find((candidate) => candidate.kind === kind);
    return listener === undefined ? null : `http://${hostOf(listener.address)}:${listener.port}`;
  }
}

/** Ports of the listeners that do not depend on configuration. */
async function reserveFixed({ listeners }: ProxyOptions): Promise<ListenerSpec[]> {
  const specs: ListenerSpec[] = [];
  for (const kind of ['inbound', 'outbound'] as const) {
    const wanted = listeners?.[kind];
    if (wanted === undefined) continue;
    const port = await reservePort(wanted, `listener ${kind}`);
    specs.push({ name: kind, kind, address: wanted.address, port, configuredPort: port });
  }
  return specs;
}

function hostOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
