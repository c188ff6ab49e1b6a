// The plugins of one workload: what the Plugin and WasmPlugin resources that apply here ask for, in one shape and in the
// order of their phases and priorities. Code comes later: here a module is its digest.

import type { Policies } from '../builtins/builtin.ts';
import type { ChainKind } from '../builtins/order.ts';
import { appliesTo, ROOT_NAMESPACE } from '../config/attachment.ts';
import type { PluginSpec } from '../config/kinds/plugin.ts';
import type { WasmPluginSpec } from '../config/kinds/wasm-plugin.ts';
import { moduleDigest } from '../config/modules.ts';
import { type Resource, resourceKey } from '../config/resource.ts';
import { DEFAULT_LIMITS, type PluginConfig, type PluginLimits, type PluginType } from '../wasm/guest/spec.ts';
import type { Node } from '../workload.ts';
import { hostVariable } from './host-environment.ts';

export type Phase = 'AUTHN' | 'AUTHZ' | 'STATS' | 'LAST';

/** A plugin that applies to this workload. */
export interface PluginUse {
  /** Its resource: 'Plugin/default/tenant'. */
  readonly resource: string;
  readonly namespace: string;
  /** As a FilterChain of its namespace calls it. */
  readonly shortName: string;
  readonly config: PluginConfig;
  /** null: what the module's callbacks say. */
  readonly type: PluginType | null;
  readonly phase: Phase;
  /** Higher comes first within a phase. */
  readonly priority: number;
  /** What its module may import, by the names of core/wasm/trial/capabilities.ts; null: whatever it does. */
  readonly capabilities: readonly string[] | null;
  /** Where it stands by itself; null: in no chain of this kind. */
  stands(kind: ChainKind): Standing | null;
}

export interface Standing {
  /** Ports of requests that pass it; null: all. */
  readonly ports: readonly number[] | null;
}

type Config = Readonly<Record<string, unknown>>;

const PHASES: readonly Phase[] = ['AUTHN', 'AUTHZ', 'STATS', 'LAST'];
const EVERY_PORT: Standing = { ports: null };
const PAGES_PER_MIB = 16;
const NOTHING = new Uint8Array(0);

/** In the order of a request. */
export function pluginsOf(policies: Policies, node: Node): PluginUse[] {
  const plugins = policies('Plugin').filter((one) => one.spec.enabled !== false && appliesTo(one, node));
  const wasm = policies('WasmPlugin').filter((one) => appliesTo(one, node));
  const uses = [...plugins.map(useOfPlugin), ...wasm.map(useOfWasmPlugin)];
  return uses.sort((a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase) || b.priority - a.priority);
}

/**
 * An installed plugin by the name that a FilterChain uses, whether it applies to the workload by itself or not: of the
 * FilterChain's own namespace, else of the root namespace.
 */
export function pluginNamed(policies: Policies, namespace: string, name: string): PluginUse | null {
  for (const owner of new Set([namespace, ROOT_NAMESPACE])) {
    const named = ({ metadata }: Resource): boolean => metadata.namespace === owner && metadata.name === name;
    const plugin = policies('Plugin').find((one) => named(one) && one.spec.enabled !== false);
    if (plugin !== undefined) return useOfPlugin(plugin);
    const wasm = policies('WasmPlugin').find(named);
    if (wasm !== undefined) return useOfWasmPlugin(wasm);
  }
  return null;
}

/** The same plugin with another configuration in the place of its own. */
export function withConfig(config: PluginConfig, other: Config): PluginConfig {
  return { ...config, configuration: json(other) };
}

function useOfPlugin(resource: Resource<PluginSpec>): PluginUse {
  const { metadata, spec } = resource;
  return {
    ...identity(resource),
    type: spec.type ?? null,
    phase: spec.phase ?? 'LAST',
    priority: spec.priority ?? 0,
    capabilities: spec.capabilities ?? null,
    stands(kind) {
      const mode = spec.mode ?? 'SERVER';
      // A gateway is both: the server of who calls it, the client of whom it calls.
      const here = kind === 'gateway' || mode === 'CLIENT_AND_SERVER' || (mode === 'CLIENT') === (kind === 'outbound');
      return here ? EVERY_PORT : null;
    },
    config: {
      name: `${metadata.namespace}/${metadata.name}`,
      digest: spec.digest,
      rootId: spec.rootId ?? '',
      vmId: spec.vmId ?? resourceKey(resource),
      vmConfiguration: Buffer.from(spec.vmConfig?.configuration ?? ''),
      configuration: json(spec.config),
      env: spec.vmConfig?.env ?? {},
      failStrategy: spec.failStrategy ?? 'FAIL_CLOSE',
      isolation: spec.isolation ?? 'inline',
      limits: limitsOf(spec),
      mayCall: spec.upstreams ?? [],
      capabilities: spec.capabilities ?? null,
    },
  };
}

function useOfWasmPlugin(resource: Resource<WasmPluginSpec>): PluginUse {
  const { metadata, spec } = resource;
  const { type, phase } = spec;
  const env: Record<string, string> = {};
  for (const { name, value, valueFrom } of spec.vmConfig?.env ?? []) {
    const found = valueFrom === 'HOST' ? hostVariable(name) : (value ?? '');
    if (found !== null) env[name] = found;
  }
  return {
    ...identity(resource),
    type: type === 'NETWORK' ? 'network' : 'http',
    phase: phase === undefined || phase === 'UNSPECIFIED_PHASE' ? 'LAST' : phase,
    priority: spec.priority ?? 0,
    capabilities: null,
    stands: (kind) => standingOf(spec.match ?? [], kind),
    config: {
      name: `${metadata.namespace}/${metadata.name}`,
      digest: moduleDigest(resource) ?? '',
      rootId: spec.pluginName ?? '',
      vmId: resourceKey(resource),
      vmConfiguration: NOTHING,
      configuration: json(spec.pluginConfig),
      env,
      failStrategy: spec.failStrategy ?? 'FAIL_CLOSE',
      isolation: 'inline',
      limits: DEFAULT_LIMITS,
      mayCall: null,
      capabilities: null,
    },
  };
}

function identity(resource: Resource): Pick<PluginUse, 'resource' | 'namespace' | 'shortName'> {
  const { namespace, name } = resource.metadata;
  return { resource: resourceKey(resource), namespace, shortName: name };
}

/** Any of the selectors is enough; none at all means all traffic. To Istio a gateway is a client. */
function standingOf(match: NonNullable<WasmPluginSpec['match']>, kind: ChainKind): Standing | null {
  if (match.length === 0) return EVERY_PORT;
  const side = kind === 'inbound' ? 'SERVER' : 'CLIENT';
  const here = match.filter(({ mode = 'UNDEFINED' }) => [side, 'CLIENT_AND_SERVER', 'UNDEFINED'].includes(mode));
  if (here.length === 0) return null;
  if (here.some(({ ports }) => ports === undefined || ports.length === 0)) return EVERY_PORT;
  return { ports: here.flatMap(({ ports }) => (ports ?? []).map(({ number }) => number)) };
}

function limitsOf({ limits }: PluginSpec): PluginLimits {
  if (limits === undefined) return DEFAULT_LIMITS;
  const { memoryMiB, fuelPerCallback } = limits;
  return {
    memoryPages: memoryMiB === undefined ? DEFAULT_LIMITS.memoryPages : memoryMiB * PAGES_PER_MIB,
    fuelPerCallback: fuelPerCallback ?? null,
  };
}

/** As Istio hands it over: JSON; a text as it is, and nothing at all when there is none. */
function json(config: Config | string | undefined): Uint8Array {
  if (config === undefined) return NOTHING;
  return Buffer.from(typeof config === 'string' ? config : JSON.stringify(config));
}
