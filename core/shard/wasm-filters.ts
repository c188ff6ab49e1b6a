// The filters of one shard by their configuration: the same configuration is the same filter, so a change of routes
// makes no new instance, and a filter that no route refers to any more is retired.

import { foreignFunctions } from '../builtins/builtins.ts';
import { type Configured, configured as configuredBy } from '../builtins/configured.ts';
import type { BuiltinName, ProtocolName } from '../builtins/order.ts';
import type { FilterFactory, ServicePlugin } from '../exchange/filter.ts';
import { Isolation } from '../isolation/isolation.ts';
import type { VirtualHost } from '../router/route.ts';
import type { FilterSource } from '../snapshot/filters.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { NetworkFilterFactory } from '../tcp/network-filter.ts';
import type { Timers } from '../timers.ts';
import type { Upstreams } from '../wasm/abi/upstreams.ts';
import { type PluginStatus, WasmRuntime } from '../wasm/guest/runtime.ts';
import {
  configKey,
  DEFAULT_LIMITS,
  moduleKey,
  type PluginConfig,
  type PluginSpec,
  type PluginType,
} from '../wasm/guest/spec.ts';
import { unavailableFilter } from '../wasm/guest/unavailable-filter.ts';
import type { DataPlaneEnvironment } from './context.ts';
import type { LogLevel, ModuleSpec, PluginModule } from './protocol.ts';

/** A filter as `mesh proxy-config filters` shows it. */
export interface FilterDump extends PluginStatus {
  /** 'inbound', 'outbound', 'gateway', 'gateway connections', 'service'. */
  readonly chains: readonly string[];
  /** Its module is not there: its fail strategy stands in its place. */
  readonly missing: boolean;
}

type AnyFilter = FilterFactory | NetworkFilterFactory | ServicePlugin;

export class WasmFilters implements FilterSource {
  private readonly runtime: WasmRuntime;
  private readonly isolation: Isolation;
  private readonly log: DataPlaneEnvironment['log'];
  private readonly builtins = new Map<string, ModuleSpec>();
  private modules = new Map<string, PluginModule>();
  private readonly configured = new Map<string, AnyFilter>();

  constructor(environment: DataPlaneEnvironment, timers: Timers, upstreams: Upstreams) {
    const { node, shared, shard, options, keys, filterThreads } = environment;
    const log: DataPlaneEnvironment['log'] = (level, component, message) => environment.log(level, component, message);
    this.log = log;
    this.isolation = new Isolation({ threads: filterThreads.threads, connect: filterThreads.connect, upstreams, log });
    this.runtime = new WasmRuntime({
      node,
      shared: shared.guests,
      shard,
      timers,
      upstreams,
      foreign: foreignFunctions({ shard, memory: shared.builtins, keys, upstreams }),
      logLevel: options.logLevel,
      log,
      restarted: (plugin, reason) => environment.pluginRestarted(plugin, reason),
    });
    for (const spec of environment.modules) this.builtins.set(spec.name, spec);
  }

  setLogLevel(level: LogLevel): void {
    this.runtime.logLevel = level;
  }

  /** Plugins that are configured already keep theirs. */
  setModules(modules: readonly PluginModule[]): void {
    this.modules = new Map(modules.map((one) => [one.key, one]));
  }

  builtin(name: BuiltinName, configured: Configured): FilterFactory {
    const spec = this.builtins.get(configured.module);
    if (spec === undefined) throw new Error(`the ${name} filter is not built: what it enforces cannot be`);
    const { digest, module } = spec;
    const config: PluginConfig = { ...BUILTIN, name, digest, configuration: configured.bytes };
    return this.of('http', config, () =>
      this.runtime.configure({ ...config, module, builtin: configured, proven: true }),
    );
  }

  plugin(config: PluginConfig): FilterFactory {
    const code = this.modules.get(moduleKey(config));
    if (code === undefined) {
      const { name, failStrategy } = config;
      return this.of('missing http', config, () => unavailableFilter(name, failStrategy));
    }
    return this.of('http', config, () => {
      const spec = specOf(config, code);
      return spec.isolation === 'pool' ? this.isolation.configure(spec) : this.runtime.configure(spec);
    });
  }

  network(config: PluginConfig): NetworkFilterFactory {
    const code = this.modules.get(moduleKey(config));
    if (code === undefined) {
      const { name, failStrategy } = config;
      const missing = { name, failsOpen: failStrategy === 'FAIL_OPEN', connect: () => null };
      return this.of('missing network', config, () => missing);
    }
    return this.of('network', config, () => this.runtime.configureNetwork(this.inShard(specOf(config, code))));
  }

  /** Nothing rests on it: a connection goes on without one that is down. */
  protocol(name: ProtocolName, prefix: string): NetworkFilterFactory | null {
    const spec = this.builtins.get(name);
    if (spec === undefined) return null;
    const { digest, module } = spec;
    const builtin = configuredBy(name, Buffer.from(labelText(prefix)));
    const config: PluginConfig = {
      ...BUILTIN,
      ...{ name, digest, configuration: builtin.bytes, failStrategy: 'FAIL_OPEN' },
    };
    return this.of('network', config, () =>
      this.runtime.configureNetwork({ ...config, module, builtin, proven: true }),
    );
  }

  service(config: PluginConfig): ServicePlugin {
    const code = this.modules.get(moduleKey(config));
    if (code === undefined) return this.of('missing service', config, () => ({ name: config.name }));
    return this.of('service', config, () => this.runtime.startService(this.inShard(specOf(config, code))));
  }

  /** What its type turned out to be only when its code was there is told of here. */
  private inShard(spec: PluginSpec): PluginSpec {
    if (spec.isolation === 'pool') {
      this.log('warning', 'wasm', `${spec.name}: isolation pool is for HTTP filters: it runs in the shard`);
    }
    return spec;
  }

  typeOf(config: PluginConfig): PluginType {
    return this.modules.get(moduleKey(config))?.type ?? 'http';
  }

  /** What has this configuration already, or what `configure` makes. */
  private of<Kind extends AnyFilter>(use: string, config: PluginConfig, configure: () => Kind): Kind {
    const key = `${use} ${configKey(config)}`;
    const known = this.configured.get(key);
    if (known !== undefined) return known as Kind;
    const made = configure();
    this.configured.set(key, made);
    return made;
  }

  /** Retires what this snapshot does not refer to. `routed`: what requests of its routes pass. */
  retain({ network, services }: Snapshot, routed: { has(filter: FilterFactory): boolean }): void {
    const others = new Set<AnyFilter>([...network.map(({ filter }) => filter), ...services]);
    for (const [key, filter] of this.configured) {
      if (others.has(filter) || ('open' in filter && routed.has(filter))) continue;
      this.configured.delete(key);
      this.runtime.retire(filter);
      if ('open' in filter) this.isolation.retire(filter);
    }
  }

  close(): void {
    this.isolation.stop();
  }

  /** In the order of a request, each with the chains that it stands in. */
  dump(snapshot: Snapshot): FilterDump[] {
    const chains = chainsByFilter(snapshot);
    const order = [...chains.keys()];
    const rows = [...this.configured].map(([key, filter]) => ({ key, filter, at: order.indexOf(filter) }));
    return rows
      .sort((a, b) => a.at - b.at)
      .map(({ key, filter }) => ({
        chains: [...(chains.get(filter) ?? [])],
        missing: key.startsWith('missing '),
        ...(this.runtime.status(filter) ?? this.isolation.status(filter) ?? { ...ABSENT, name: filter.name }),
      }));
  }
}

/** Every filter of a snapshot with the kinds of chains that it stands in, in the order of a request. */
function chainsByFilter(snapshot: Snapshot): Map<AnyFilter, Set<string>> {
  const found = new Map<AnyFilter, Set<string>>();
  const add = (filter: AnyFilter, chain: string): void => {
    const chains = found.get(filter);
    if (chains === undefined) found.set(filter, new Set([chain]));
    else chains.add(chain);
  };
  for (const { filter, kind } of snapshot.network) add(filter, `${kind} connections`);
  const hosts: [string, VirtualHost][] = [
    ...(snapshot.inbound === null ? [] : [['inbound', snapshot.inbound] as [string, VirtualHost]]),
    ...snapshot.outbound.virtualHosts.map((host): [string, VirtualHost] => ['outbound', host]),
    ...[...snapshot.gateways.values()].flatMap(({ virtualHosts }) =>
      virtualHosts.map((host): [string, VirtualHost] => ['gateway', host]),
    ),
  ];
  for (const [kind, { routes }] of hosts)
    for (const { chain } of routes) for (const filter of chain.filters) add(filter, kind);
  for (const service of snapshot.services) add(service, 'service');
  return found;
}

/** As it stands in a label of Prometheus. */
function labelText(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function specOf(config: PluginConfig, { module }: PluginModule): PluginSpec {
  return { ...config, module, builtin: null, proven: true };
}

const EMPTY = new Uint8Array(0);

/** Of a plugin whose module is not there. */
const ABSENT: Omit<PluginStatus, 'name'> = {
  digest: '',
  configuration: '',
  running: false,
  broken: false,
  streams: 0,
  restarts: 0,
  memoryBytes: 0,
  calls: 0,
  meanMicros: null,
  medianMicros: null,
};

/** What built-in filters have in common. */
const BUILTIN: Omit<PluginConfig, 'name' | 'digest' | 'configuration'> = {
  rootId: '',
  vmId: '',
  vmConfiguration: EMPTY,
  env: {},
  failStrategy: 'FAIL_CLOSE',
  isolation: 'inline',
  limits: DEFAULT_LIMITS,
  mayCall: null,
  capabilities: null,
};
