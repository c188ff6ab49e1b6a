// The filters of one shard by their configuration: the same configuration is the same filter, so a change of routes
// makes no new instance, and a filter that no route refers to any more is retired.

import type { BuiltinName } from './builtins/builtin.ts';
import type { FilterFactory } from './filter.ts';
import type { DataPlaneEnvironment } from './plane.ts';
import type { LogLevel, ModuleSpec } from './protocol.ts';
import type { FilterSource } from './snapshot/filters.ts';
import type { Snapshot } from './snapshot/snapshot.ts';
import type { Timers } from './timers.ts';
import { WasmRuntime } from './wasm/runtime.ts';
import { DEFAULT_LIMITS } from './wasm/spec.ts';
import type { Upstreams } from './wasm/upstreams.ts';

export class WasmFilters implements FilterSource {
  private readonly runtime: WasmRuntime;
  private readonly modules = new Map<string, ModuleSpec>();
  private readonly configured = new Map<string, FilterFactory>();

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
    this.setModules(environment.modules);
  }

  setLogLevel(level: LogLevel): void {
    this.runtime.logLevel = level;
  }

  setModules(modules: readonly ModuleSpec[]): void {
    for (const spec of modules) this.modules.set(spec.name, spec);
  }

  builtin(name: BuiltinName, configuration: Uint8Array): FilterFactory {
    const spec = this.modules.get(name);
    if (spec === undefined) throw new Error(`the ${name} filter is not built: what it enforces cannot be`);
    const key = `${name} ${spec.digest} ${Buffer.from(configuration).toString('latin1')}`;
    const known = this.configured.get(key);
    if (known !== undefined) return known;
    const filter = this.runtime.configure({
      name,
      digest: spec.digest,
      module: spec.module,
      builtin: true,
      rootId: '',
      vmId: '',
      vmConfiguration: EMPTY,
      configuration,
      env: {},
      failStrategy: 'FAIL_CLOSE',
      limits: DEFAULT_LIMITS,
      mayCall: null,
      proven: true,
    });
    this.configured.set(key, filter);
    return filter;
  }

  /** Retires what this snapshot does not refer to. */
  retain(snapshot: Snapshot): void {
    const used = new Set<FilterFactory>();
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

const EMPTY = new Uint8Array(0);
