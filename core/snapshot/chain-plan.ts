// The order of one kind of chain at one workload: built-in filters, plugins by phase and priority, and what FilterChains
// insert, move, leave out or configure otherwise for single routes. Pure: no filter is made here.

import { appliesTo } from '../builtins/attachment.ts';
import type { Builtin, Policies } from '../builtins/builtin.ts';
import { CHAIN_ORDER, type ChainKind } from '../builtins/order.ts';
import type { FilterChainSpec } from '../config/kinds/filter-chain.ts';
import type { Resource } from '../config/resource.ts';
import { configKey, type PluginConfig } from '../wasm/spec.ts';
import type { Node } from '../workload.ts';
import { type Phase, type PluginUse, pluginNamed, pluginsOf, withConfig } from './plugins.ts';

/** One place in a chain. */
export type Slot = BuiltinSlot | PluginSlot;

export interface BuiltinSlot {
  readonly name: string;
  readonly builtin: Builtin;
  /** Routes whose requests do not pass it. */
  readonly skippedBy: ReadonlySet<string>;
}

export interface PluginSlot {
  /** As a FilterChain of its namespace calls it. */
  readonly name: string;
  readonly use: PluginUse;
  readonly config: PluginConfig;
  readonly ports: readonly number[] | null;
  /** By a route's name: another configuration, or null: its requests do not pass it. */
  readonly routes: ReadonlyMap<string, PluginConfig | null>;
}

/** A plugin with one of its configurations. */
export interface WantedPlugin {
  readonly use: PluginUse;
  readonly config: PluginConfig;
}

/** The built-in filter that a phase comes before. The last phases are just before the router. */
const BEFORE: Readonly<Record<Phase, string | null>> = { AUTHN: 'authn', AUTHZ: 'rbac', STATS: null, LAST: null };

/** In the order of a request. */
export function planChain(kind: ChainKind, policies: Policies, node: Node): Slot[] {
  const slots: Slot[] = CHAIN_ORDER[kind].map((builtin) => ({ name: builtin.name, builtin, skippedBy: new Set() }));
  for (const use of pluginsOf(policies, node)) {
    const standing = use.stands(kind);
    if (standing !== null) slots.splice(indexOfPhase(slots, use), 0, slotOf(use, use.config, standing.ports));
  }
  for (const chain of policies('FilterChain')) {
    if ((chain.spec.direction ?? 'inbound') === kind && appliesTo(chain, node)) rework(slots, chain, policies);
  }
  return slots;
}

/** Every plugin that this workload runs, with every configuration that it has somewhere. */
export function wantedPlugins(policies: Policies, node: Node, kinds: readonly ChainKind[]): WantedPlugin[] {
  const wanted = pluginsOf(policies, node).map((use): WantedPlugin => ({ use, config: use.config }));
  for (const slot of kinds.flatMap((kind) => planChain(kind, policies, node))) {
    if (!('use' in slot)) continue;
    const { use } = slot;
    for (const config of [slot.config, ...slot.routes.values()]) if (config !== null) wanted.push({ use, config });
  }
  return [...new Map(wanted.map((each) => [configKey(each.config), each])).values()];
}

/** After the plugins of its phase that are there, else before the phase's built-in, which an outbound chain has not. */
function indexOfPhase(slots: readonly Slot[], { phase }: PluginUse): number {
  const last = slots.findLastIndex((slot) => 'use' in slot && slot.use.phase === phase);
  if (last >= 0) return last + 1;
  const anchor = BEFORE[phase];
  if (anchor === null) return slots.length;
  const at = slots.findIndex(({ name }) => name === anchor);
  if (at >= 0) return at;
  const earlier = slots.findLastIndex((slot) => 'use' in slot && slot.use.phase === 'AUTHN');
  return earlier + 1;
}

function slotOf(use: PluginUse, config: PluginConfig, ports: readonly number[] | null): PluginSlot {
  return { name: use.shortName, use, config, ports, routes: new Map() };
}

/** Does to the slots what one FilterChain says. What it names and is not there was warned of when it was applied. */
function rework(slots: Slot[], { metadata, spec }: Resource<FilterChainSpec>, policies: Policies): void {
  for (const { filter, before, after, config } of spec.insert ?? []) {
    const found = pluginNamed(policies, metadata.namespace, filter);
    if (found === null) continue;
    const own = slots.findIndex(({ name }) => name === filter);
    if (own >= 0) slots.splice(own, 1);
    const anchor = slots.findIndex(({ name }) => name === (before ?? after));
    const at = anchor < 0 ? slots.length : before === undefined ? anchor + 1 : anchor;
    slots.splice(at, 0, slotOf(found, config === undefined ? found.config : withConfig(found.config, config), null));
  }
  for (const name of spec.disable ?? []) {
    const at = slots.findIndex((slot) => slot.name === name);
    if (at >= 0) slots.splice(at, 1);
  }
  for (const { route, filter, config } of spec.routes ?? []) {
    const at = slots.findIndex(({ name }) => name === filter);
    if (at >= 0) slots[at] = otherwise(slots[at], route, config ?? null);
  }
}

/** The slot with another word for one route; null: left out there. */
function otherwise(slot: Slot, route: string, config: Readonly<Record<string, unknown>> | null): Slot {
  if ('builtin' in slot) {
    return config === null ? { ...slot, skippedBy: new Set([...slot.skippedBy, route]) } : slot;
  }
  const other = config === null ? null : withConfig(slot.config, config);
  return { ...slot, routes: new Map([...slot.routes, [route, other]]) };
}
