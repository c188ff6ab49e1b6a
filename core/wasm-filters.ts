// The filters of one shard by their configuration: the same configuration is the same filter, so a change of routes
// makes no new instance, and a filter that no route refers to any more is retired.

import type { BuiltinName } from './builtins/builtin.ts';
import type { FilterFactory, ServicePlugin } from './filter.ts';
import type { NetworkFilterFactory } from './network-filter.ts';
import type { DataPlaneEnvironment } from './plane.ts';
import type { LogLevel, ModuleSpec, PluginModule } from './protocol.ts';
import type { FilterSource } from './snapshot/filters.ts';
import type { Snapshot } from './snapshot/snapshot.ts';
import type { Timers } from './timers.ts';
import { missingFilter } from './wasm/missing.ts';
import { WasmRuntime } from './wasm/runtime.ts';
import {
  configKey,
  DEFAULT_LIMITS,
  moduleKey,
  type PluginConfig,
  type PluginSpec,
  type PluginType,
} from './wasm/spec.ts';
import type { Upstreams } from './wasm/upstreams.ts';

type Configured = FilterFactory | NetworkFilterFactory | ServicePlugin;

export class WasmFilters implements FilterSource {
  private readonly runtime: WasmRuntime;
  private readonly builtins = new Map<string, ModuleSpec>();
  private modules = new Map<string, PluginModule>();
  private readonly configured = new Map<string, Configured>();

  constructor(environment: DataPlaneEnvironment, timers: Timers, upstreams: Upstreams) {
    const { node, shared, shard, options, keys } = environment;
    this.runtime = new WasmRuntime({
      node,
      shared,
      shard,
      timers,
      upstreams,
      keys,
      logLevel: options.logLevel,
      log: (level, component, message) => environment.log(level, component, message),
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

  builtin(name: BuiltinName, configuration: Uint8Array): FilterFactory {
    const spec = this.builtins.get(name);
    if (spec === undefined) throw new Error(`the ${name} filter is not built: what it enforces cannot be`);
    const { digest, module } = spec;
    const config: PluginConfig = { ...BUILTIN, name, digest, configuration };
    return this.of('http', config, () => this.runtime.configure({ ...config, module, builtin: true, proven: true }));
  }

  plugin(config: PluginConfig): FilterFactory {
    const code = this.modules.get(moduleKey(config));
    if (code === undefined) {
      const { name, failStrategy } = config;
      return this.of('missing http', config, () => missingFilter(name, failStrategy));
    }
    return this.of('http', config, () => this.runtime.configure(specOf(config, code)));
  }

  network(config: PluginConfig): NetworkFilterFactory {
    const code = this.modules.get(moduleKey(config));
    if (code === undefined) {
      const { name, failStrategy } = config;
      const missing = { name, failsOpen: failStrategy === 'FAIL_OPEN', connect: () => null };
      return this.of('missing network', config, () => missing);
    }
    return this.of('network', config, () => this.runtime.configureNetwork(specOf(config, code)));
  }

  service(config: PluginConfig): ServicePlugin {
    const code = this.modules.get(moduleKey(config));
    if (code === undefined) return this.of('missing service', config, () => ({ name: config.name }));
    return this.of('service', config, () => this.runtime.startService(specOf(config, code)));
  }

  typeOf(config: PluginConfig): PluginType {
    return this.modules.get(moduleKey(config))?.type ?? 'http';
  }

  /** What has this configuration already, or what `configure` makes. */
  private of<Kind extends Configured>(use: string, config: PluginConfig, configure: () => Kind): Kind {
    const key = `${use} ${configKey(config)}`;
    const known = this.configured.get(key);
    if (known !== undefined) return known as Kind;
    const made = configure();
    this.configured.set(key, made);
    return made;
  }

  /** Retires what this snapshot does not refer to. */
  retain(snapshot: Snapshot): void {
    const used = new Set<Configured>([...snapshot.services, ...snapshot.network.map(({ filter }) => filter)]);
    const hosts = [
      ...snapshot.outbound.virtualHosts,
      ...[...snapshot.gateways.values()].flatMap((t) => t.virtualHosts),
    ];
    if (snapshot.inbound !== null) hosts.push(snapshot.inbound);
    for (const host of hosts)
      for (const route of host.routes) for (const filter of route.chain.filters) used.add(filter);
    for (const [key, filter] of this.configured) {
      if (used.has(filter)) continue;
      this.configured.delete(key);
      this.runtime.retire(filter);
    }
  }

  dump(): unknown {
    return this.runtime.dump();
  }
}

function specOf(config: PluginConfig, { module }: PluginModule): PluginSpec {
  return { ...config, module, builtin: false, proven: true };
}

const EMPTY = new Uint8Array(0);

/** What built-in filters have in common. */
const BUILTIN: Omit<PluginConfig, 'name' | 'digest' | 'configuration'> = {
  rootId: '',
  vmId: '',
  vmConfiguration: EMPTY,
  env: {},
  failStrategy: 'FAIL_CLOSE',
  limits: DEFAULT_LIMITS,
  mayCall: null,
};
