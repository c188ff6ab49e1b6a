// The order of one kind of chain at one workload: built-in filters, plugins by phase and priority, and what FilterChains
// insert, move, leave out or configure otherwise for single routes. Pure: no filter is made here.

import type { InsertedPolicy, JsonObject, Policies, RoutePolicy, WorkloadPolicy } from '../builtins/builtin.ts';
import { BUILTINS } from '../builtins/builtins.ts';
import { type BuiltinName, type ChainKind, ORDER } from '../builtins/order.ts';
import { appliesTo } from '../config/attachment.ts';
import type { FilterChainSpec } from '../config/kinds/filter-chain.ts';
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import { claimPath } from '../config/schemas/claim-header.ts';
import { configKey, type PluginConfig } from '../wasm/guest/spec.ts';
import type { Node } from '../workload.ts';
import { type PluginUse, pluginNamed, pluginsOf, withConfig } from './plugins.ts';

/** One place in a chain. */
export type Slot = BuiltinSlot | InsertedSlot | PluginSlot;

export interface BuiltinSlot {
  readonly name: BuiltinName;
  readonly standing: WorkloadPolicy | RoutePolicy;
  /** Routes whose requests do not pass it. */
  readonly skippedBy: ReadonlySet<string>;
}

/** A built-in filter that a FilterChain has put here. */
export interface InsertedSlot {
  readonly name: BuiltinName;
  readonly inserted: InsertedPolicy;
  readonly config: JsonObject;
  /** By a route's name: another configuration, or null: its requests do not pass it. */
  readonly routes: ReadonlyMap<string, JsonObject | null>;
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

/**
 * Where routes ask for claims: which route's cors is meant is known when the token is. A refused token's answer cannot be read
 * by pages there.
 */
const CLAIMS_FIRST = ORDER.toSorted((a, b) => Number(b.guards === 'AUTHN') - Number(a.guards === 'AUTHN'));

export function asksClaims({ spec }: Resource<VirtualServiceSpec>): boolean {
  const matches = (spec.http ?? []).flatMap(({ match }) => match ?? []);
  return matches.some(({ headers, withoutHeaders }) =>
    Object.keys({ ...headers, ...withoutHeaders }).some((name) => claimPath(name) !== null),
  );
}

/** In the order of a request. `claims`: does any route ask for claims? */
export function planChain(
  kind: ChainKind,
  policies: Policies,
  node: Node,
  claims = policies('VirtualService').some(asksClaims),
): Slot[] {
  const order = kind === 'gateway' && claims ? CLAIMS_FIRST : ORDER;
  const slots: Slot[] = order.flatMap(({ name, chains }) => {
    const { standing } = BUILTINS[name];
    return chains.includes(kind) && standing !== undefined ? { name, standing, skippedBy: new Set() } : [];
  });
  for (const use of pluginsOf(policies, node)) {
    const standing = use.stands(kind);
    if (standing !== null) slots.splice(indexOfPhase(slots, use), 0, slotOf(use, use.config, standing.ports));
  }
  for (const chain of policies('FilterChain')) {
    if ((chain.spec.direction ?? 'inbound') === kind && appliesTo(chain, node)) rework(slots, chain, policies);
  }
  return slots;
}

/** What is wrong with the configurations that FilterChains have for built-in filters, whomever they select. */
export function configFaults(policies: Policies): Problem[] {
  return policies('FilterChain').flatMap((chain) => faultsOf(chain, policies));
}

function faultsOf(chain: Resource<FilterChainSpec>, policies: Policies): Problem[] {
  const { insert = [], routes = [] } = chain.spec;
  const fault = (name: string, config: JsonObject | undefined, pointer: string): Problem | [] => {
    const builtin = insertable(name);
    // A plugin of this name is meant before the built-in.
    if (builtin === null || pluginNamed(policies, chain.metadata.namespace, name) !== null) return [];
    try {
      builtin.inserted.configure(config ?? {});
      return [];
    } catch (error) {
      const message = `${name}: ${(error as Error).message}`;
      return { severity: 'error', code: 'config', message, resource: resourceKey(chain), pointer };
    }
  };
  return [
    ...insert.flatMap(({ filter, config }, i) => fault(filter, config, `/spec/insert/${i}/config`)),
    ...routes.flatMap(({ filter, disable, config }, i) =>
      disable === true ? [] : fault(filter, config, `/spec/routes/${i}/config`),
    ),
  ];
}

/** The kinds of listeners that this proxy has. */
export function chainKinds({ role, app, outbound }: Node): ChainKind[] {
  if (role === 'gateway') return outbound === true ? ['gateway', 'outbound'] : ['gateway'];
  return app === null ? ['outbound'] : ['inbound', 'outbound'];
}

/** Every plugin that this workload runs, with every configuration that it has somewhere. */
export function wantedPlugins(policies: Policies, node: Node, kinds: readonly ChainKind[]): WantedPlugin[] {
  const wanted = pluginsOf(policies, node).map((use): WantedPlugin => ({ use, config: use.config }));
  for (const slot of kinds.flatMap((kind) => planChain(kind, policies, node, false))) {
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
  const anchor = ORDER.find(({ guards }) => guards === phase);
  // The other phases are just before the router.
  if (anchor === undefined) return slots.length;
  const at = slots.findIndex(({ name }) => name === anchor.name);
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
    const inserted = insertion(pluginNamed(policies, metadata.namespace, filter), filter, config);
    if (inserted === null) continue;
    // A plugin moves here; a built-in may stand in several places.
    const own = 'use' in inserted ? slots.findIndex(({ name }) => name === filter) : -1;
    if (own >= 0) slots.splice(own, 1);
    const anchor = slots.findIndex(({ name }) => name === (before ?? after));
    const at = anchor < 0 ? slots.length : before === undefined ? anchor + 1 : anchor;
    slots.splice(at, 0, inserted);
  }
  for (const name of spec.disable ?? []) {
    const at = slots.findIndex((slot) => slot.name === name);
    if (at >= 0) slots.splice(at, 1);
  }
  for (const { route, filter, config } of spec.routes ?? []) {
    for (const [at, slot] of slots.entries()) {
      if (slot.name === filter) slots[at] = otherwise(slot, route, config ?? null);
    }
  }
}

function insertion(plugin: PluginUse | null, name: string, config: JsonObject | undefined): Slot | null {
  if (plugin !== null)
    return slotOf(plugin, config === undefined ? plugin.config : withConfig(plugin.config, config), null);
  const builtin = insertable(name);
  return builtin === null ? null : { ...builtin, config: config ?? {}, routes: new Map() };
}

/** The built-in filter of this name, when a FilterChain may insert it. */
function insertable(name: string): Pick<InsertedSlot, 'name' | 'inserted'> | null {
  const place = ORDER.find((each) => each.name === name);
  const inserted = place && BUILTINS[place.name].inserted;
  return place === undefined || inserted === undefined ? null : { name: place.name, inserted };
}

/** The slot with another word for one route; null: left out there. */
function otherwise(slot: Slot, route: string, config: JsonObject | null): Slot {
  if ('standing' in slot) {
    return config === null ? { ...slot, skippedBy: new Set([...slot.skippedBy, route]) } : slot;
  }
  if ('inserted' in slot) return { ...slot, routes: new Map([...slot.routes, [route, config]]) };
  const other = config === null ? null : withConfig(slot.config, config);
  return { ...slot, routes: new Map([...slot.routes, [route, other]]) };
}
