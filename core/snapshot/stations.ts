// The stations of each kind of listener: the built-in filters in their order, as far as the configuration asks for them.
// A station is the same object as before while what it was made of has not changed.

import type { Builtin, Policies, WorkloadBuiltin } from '../builtins/builtin.ts';
import { CHAIN_ORDER, type ChainKind } from '../builtins/order.ts';
import type { Node } from '../workload.ts';
import { ChainBuilder, type FilterSource, type Station } from './filters.ts';
import type { Memo } from './memo.ts';

export interface StationScope {
  readonly node: Node;
  readonly source: FilterSource;
  readonly policies: Policies;
  readonly memo: Memo;
}

/** What builds the chains of this kind of listener. Throws what cannot be enforced. */
export function chainsOf(kind: ChainKind, scope: StationScope): ChainBuilder {
  const { memo } = scope;
  const stations = CHAIN_ORDER[kind].flatMap((builtin) => stationOf(builtin, scope) ?? []);
  return memo.of(`chains ${kind}`, stations, () => new ChainBuilder(stations));
}

function stationOf(builtin: Builtin, scope: StationScope): Station | null {
  const { source, memo } = scope;
  if (builtin.scope === 'workload') return workloadStation(builtin, scope);
  return memo.of(`station ${builtin.name}`, [source], () => ({
    name: builtin.name,
    place(http) {
      const configuration = http === null ? null : builtin.configure(http);
      return configuration === null ? null : { filter: source.builtin(builtin.name, EMPTY), configuration };
    },
  }));
}

function workloadStation(builtin: WorkloadBuiltin, { node, source, policies, memo }: StationScope): Station | null {
  const { name, kinds } = builtin;
  const resources = kinds.flatMap((kind) => policies(kind));
  const configuration = memo.of(`configuration ${name}`, resources, () => builtin.configure(policies, node));
  if (configuration === null) return null;
  // Asked for at every compile: a filter that no snapshot refers to is let go meanwhile.
  const filter = source.builtin(name, configuration);
  return memo.of(`station ${name}`, [filter], () => {
    const placed = { filter, configuration: null };
    return { name, place: () => placed };
  });
}

const EMPTY = new Uint8Array(0);
