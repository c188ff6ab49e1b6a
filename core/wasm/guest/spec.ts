// What a plugin is made of: as configuration wants it, and as a shard is told once its code is there. Types, and the
// limits where nobody names any.

import type { FilterConfiguration } from '../../exchange/filter.ts';

export type FailStrategy = 'FAIL_CLOSE' | 'FAIL_OPEN' | 'FAIL_RELOAD';
export type PluginType = 'http' | 'network' | 'service';

/** Everything but the code. */
export interface PluginConfig {
  /** 'default/tenant': as logs, metrics and proxy-config call it. */
  readonly name: string;
  /** sha256 of the module's bytes; equal digests are the same code. */
  readonly digest: string;
  readonly rootId: string;
  /** Plugins of one vm id, code and vm configuration share an instance; shared data and queues are scoped by it. */
  readonly vmId: string;
  readonly vmConfiguration: Uint8Array;
  readonly configuration: Uint8Array;
  /** WASI environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly failStrategy: FailStrategy;
  /** `pool`: on threads of its own, see core/isolation. */
  readonly isolation: 'inline' | 'pool';
  readonly limits: PluginLimits;
  /** What it may do, by the names of trial/capabilities.ts; null: whatever its module does. */
  readonly capabilities: readonly string[] | null;
  /** Services that it may call, by the names it calls them by; null: all of the mesh. */
  readonly mayCall: readonly string[] | null;
}

export interface PluginSpec extends PluginConfig {
  readonly module: WebAssembly.Module;
  /** Of one of ours, which may call what is injected for them: its configuration. Null: an installed plugin. */
  readonly builtin: FilterConfiguration | null;
  /** A trial has accepted this very configuration already: it is configured in place, without another. */
  readonly proven: boolean;
}

export interface PluginLimits {
  /** Pages of 64 KiB that one instance may grow to. */
  readonly memoryPages: number;
  /** Units of fuel for one callback, see fuel.ts; null: the proxy's default. */
  readonly fuelPerCallback: number | null;
}

/** Plugins of one key run the same compiled code: the memory cap is part of it. */
export function moduleKey({ digest, limits }: Pick<PluginConfig, 'digest' | 'limits'>): string {
  return `${digest}/${limits.memoryPages}`;
}

/** Equal texts are the same plugin with the same configuration. */
export function configKey(config: PluginConfig): string {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  const { configuration, vmConfiguration } = config;
  return JSON.stringify({ ...config, configuration: text(configuration), vmConfiguration: text(vmConfiguration) });
}

export const DEFAULT_LIMITS: PluginLimits = { memoryPages: 512, fuelPerCallback: null };
