// The filters of each kind of listener: the planned filters in their order, as far as the configuration asks for them, and
// what stands beside the chains of requests. A filter is the same object as before while what it was made of has not
// changed.

import type { JsonObject, Policies, RoutePolicy, WorkloadPolicy } from '../builtins/builtin.ts';
import { configured } from '../builtins/configured.ts';
import type { BuiltinName, ChainKind } from '../builtins/order.ts';
import type { ServicePlugin } from '../exchange/filter.ts';
import type { NetworkPlacement } from '../tcp/network-filter.ts';
import type { PluginConfig } from '../wasm/guest/spec.ts';
import type { Node } from '../workload.ts';
import { type BuiltinSlot, type InsertedSlot, type PluginSlot, planChain } from './chain-plan.ts';
import { ChainBuilder, type FilterSource, type ListenerFilter, type PlacedFilter } from './filters.ts';
import type { Memo } from './memo.ts';
import { type PluginUse, pluginsOf } from './plugins.ts';

export interface ListenerFilterScope {
  readonly node: Node;
  readonly source: FilterSource;
  readonly policies: Policies;
  readonly memo: Memo;
  /** Does any route ask for claims? */
  readonly claims: boolean;
}

/** What builds the chains of this kind of listener. Throws what cannot be enforced. */
export function chainsOf(kind: ChainKind, scope: ListenerFilterScope): ChainBuilder {
  const { memo, policies, node, claims } = scope;
  const filters = planChain(kind, policies, node, claims).flatMap((slot) => {
    if ('standing' in slot) return builtinFilter(slot, scope) ?? [];
    if ('inserted' in slot) return insertedFilter(slot, scope);
    return typeOf(slot.use, scope) === 'http' ? pluginFilter(kind, slot, scope) : [];
  });
  return memo.of(`chains ${kind}`, filters, () => new ChainBuilder(filters));
}

/** Plugins in front of these listeners' codecs. */
export function networkPlacements(kinds: readonly ChainKind[], scope: ListenerFilterScope): NetworkPlacement[] {
  const uses = pluginsOf(scope.policies, scope.node).filter((use) => typeOf(use, scope) === 'network');
  return uses.flatMap((use) =>
    kinds.flatMap((kind) => {
      const standing = use.stands(kind);
      if (standing === null) return [];
      const { ports } = standing;
      // All that arrives is for the application's one port.
      const here = kind === 'inbound' && ports !== null;
      if (here && !ports.includes(scope.node.app?.port ?? 0)) return [];
      return { filter: scope.source.network(use.config), kind, ports: here ? null : ports };
    }),
  );
}

/** Plugins that see no traffic. */
export function servicePlugins(scope: ListenerFilterScope): ServicePlugin[] {
  const uses = pluginsOf(scope.policies, scope.node).filter((use) => typeOf(use, scope) === 'service');
  return uses.map(({ config }) => scope.source.service(config));
}

function typeOf({ type, config }: PluginUse, { source }: ListenerFilterScope): 'http' | 'network' | 'service' {
  return type ?? source.typeOf(config);
}

function pluginFilter(
  kind: ChainKind,
  { name, use, config, ports, routes }: PluginSlot,
  scope: ListenerFilterScope,
): ListenerFilter {
  const { source, memo } = scope;
  const place = (wanted: PluginConfig) => ({ filter: source.plugin(wanted), configuration: null });
  // Asked for at every compile: a filter that no snapshot refers to is let go meanwhile.
  const own = place(config);
  const others = new Map([...routes].map(([route, other]) => [route, other === null ? null : place(other)]));
  return listenerFilter(memo, `filter ${kind} ${use.resource}`, { name, ports, own, others });
}

/** A filter for all requests, with others for those of single routes. */
function listenerFilter(
  memo: Memo,
  key: string,
  {
    name,
    ports,
    own,
    others,
  }: Pick<ListenerFilter, 'name' | 'ports'> & { own: PlacedFilter; others: Map<string, PlacedFilter | null> },
): ListenerFilter {
  const madeOf = [own.filter, ...(ports ?? []), ...[...others].flatMap(([route, other]) => [route, other?.filter])];
  return memo.of(key, madeOf, () => ({
    name,
    ports,
    place(http) {
      const other = http?.name === undefined ? undefined : others.get(http.name);
      return other === undefined ? own : other;
    },
  }));
}

function insertedFilter(
  { name, inserted, config, routes }: InsertedSlot,
  { source, memo }: ListenerFilterScope,
): ListenerFilter {
  const place = (wanted: JsonObject) => ({
    filter: source.builtin(name, inserted.configure(wanted)),
    configuration: null,
  });
  const own = place(config);
  const others = new Map([...routes].map(([route, other]) => [route, other === null ? null : place(other)]));
  return listenerFilter(memo, `filter ${name} ${JSON.stringify(config)}`, { name, ports: null, own, others });
}

function builtinFilter(slot: BuiltinSlot, scope: ListenerFilterScope): ListenerFilter | null {
  const { name, standing, skippedBy } = slot;
  const filter =
    standing.scope === 'workload' ? workloadFilter(name, standing, scope) : routeFilter(name, standing, scope);
  if (filter === null || skippedBy.size === 0) return filter;
  return scope.memo.of(`filter ${name} but ${[...skippedBy]}`, [filter], () => ({
    ...filter,
    place: (http) => (http?.name !== undefined && skippedBy.has(http.name) ? null : filter.place(http)),
  }));
}

function routeFilter(name: BuiltinName, policy: RoutePolicy, { source, memo }: ListenerFilterScope): ListenerFilter {
  return memo.of(`filter ${name}`, [source], () => ({
    name,
    ports: null,
    place(http) {
      const configuration = http === null ? null : policy.configure(http);
      if (configuration === null) return null;
      return { filter: source.builtin(name, configured(configuration.module, EMPTY)), configuration };
    },
  }));
}

function workloadFilter(
  name: BuiltinName,
  { kinds, configure }: WorkloadPolicy,
  { node, source, policies, memo }: ListenerFilterScope,
): ListenerFilter | null {
  const resources = kinds.flatMap((kind) => policies(kind));
  const configuration = memo.of(`configuration ${name}`, resources, () => configure(policies, node));
  if (configuration === null) return null;
  // Asked for at every compile: a filter that no snapshot refers to is let go meanwhile.
  const filter = source.builtin(name, configuration);
  return memo.of(`filter ${name}`, [filter], () => {
    const placed = { filter, configuration: null };
    return { name, ports: null, place: () => placed };
  });
}

const EMPTY = new Uint8Array(0);
