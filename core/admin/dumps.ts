// What the shards answer, joined: rows that mean the same are one row, with the sums of what each shard counts for itself.

import type { ClusterDump, EndpointDump, Http2Dump, ListenerDump, RouteDump } from '../shard/dump.ts';
import type { DumpKind } from '../shard/protocol.ts';
import type { FilterDump } from '../shard/wasm-filters.ts';
import type { AdminHost } from './host.ts';
import { redact } from './redact.ts';

export interface Dumps {
  listeners: readonly ListenerDump[];
  routes: readonly RouteDump[];
  clusters: readonly ClusterDump[];
  endpoints: readonly EndpointDump[];
  filters: readonly ProxyFilterDump[];
  http2: Http2Dump;
  snapshot: unknown;
}

/** A filter with all its shards. */
export interface ProxyFilterDump extends FilterDump {
  /** Shards in which it runs. */
  readonly instances: number;
}

/** No shard answered in time. */
export class NoAnswer extends Error {}

/** Rejects with NoAnswer. */
export async function dumpOf<K extends DumpKind>(host: AdminHost, kind: K): Promise<Dumps[K]> {
  const answers = await host.dump(kind);
  if (answers.length === 0) throw new NoAnswer('no shard answers');
  return redact(JOIN[kind](answers as never)) as Dumps[K];
}

/** All shards have the same of what is not counted. */
const first = <T>(answers: readonly T[]): T => answers[0];

const JOIN: { readonly [K in DumpKind]: (answers: readonly Dumps[K][]) => Dumps[K] } = {
  listeners: sumListeners,
  routes: first,
  clusters: (answers) =>
    sumRows(answers, ({ name }) => name, [
      'active',
      'requests',
      'overflows',
      'retries',
      'retryOverflows',
      'retryLimits',
    ]),
  endpoints: (answers) =>
    sumRows(answers, ({ cluster, endpoint }) => `${cluster} ${endpoint}`, [
      'active',
      'requests',
      'failures',
      'connections',
    ]),
  filters: joinFilters,
  http2: sumHttp2,
  snapshot: first,
};

function sumListeners(answers: readonly (readonly ListenerDump[])[]): ListenerDump[] {
  const keyOf = ({ name, address, port }: ListenerDump): string => `${name} ${address} ${port}`;
  const counted = [
    'connections',
    'handshakes',
    'handshakesFailed',
    'plainRefused',
    'proxyRefused',
    'misdeclared',
  ] as const;
  const last = new Map<string, number>();
  for (const row of answers.flat()) last.set(keyOf(row), Math.max(last.get(keyOf(row)) ?? 0, row.misdeclaredAt));
  return sumRows(answers, keyOf, counted).map((row) => ({ ...row, misdeclaredAt: last.get(keyOf(row))! }));
}

/** Over the shards. */
export function sumHttp2(answers: readonly Http2Dump[]): Http2Dump {
  const sum = { ...answers[0] };
  for (const answer of answers.slice(1)) {
    for (const name of Object.keys(answer) as (keyof Http2Dump)[]) sum[name] += answer[name];
  }
  return sum;
}

/** One row for each filter with one configuration. Times are means over the shards, by their calls. */
function joinFilters(answers: readonly (readonly FilterDump[])[]): ProxyFilterDump[] {
  const rows = answers.flat();
  const groups = Map.groupBy(rows, ({ name, digest, configuration }) => `${name} ${digest} ${configuration}`);
  return [...groups.values()].map((group) => {
    const sum = (of: (row: FilterDump) => number): number => group.reduce((total, row) => total + of(row), 0);
    const timed = group.filter(({ meanMicros }) => meanMicros !== null);
    const calls = timed.reduce((total, row) => total + row.calls, 0);
    const mean = (of: (row: FilterDump) => number | null): number | null =>
      calls === 0 ? null : timed.reduce((total, row) => total + of(row)! * row.calls, 0) / calls;
    return {
      ...group[0],
      running: group.every(({ running }) => running),
      broken: group.some(({ broken }) => broken),
      instances: sum(({ running }) => (running ? 1 : 0)),
      streams: sum(({ streams }) => streams),
      restarts: sum(({ restarts }) => restarts),
      memoryBytes: sum(({ memoryBytes }) => memoryBytes),
      calls: sum((row) => row.calls),
      meanMicros: mean(({ meanMicros }) => meanMicros),
      medianMicros: mean(({ medianMicros }) => medianMicros),
    };
  });
}

function sumRows<Row extends object>(
  answers: readonly (readonly Row[])[],
  keyOf: (row: Row) => string,
  counted: readonly (keyof Row & string)[],
): Row[] {
  const rows = new Map<string, Row>();
  for (const answer of answers) {
    for (const row of answer) {
      const key = keyOf(row);
      const known = rows.get(key);
      const sums =
        known === undefined ? {} : Object.fromEntries(counted.map((name) => [name, added(known, row, name)]));
      rows.set(key, { ...(known ?? row), ...sums });
    }
  }
  return [...rows.values()];
}

function added<Row>(one: Row, other: Row, name: keyof Row): number {
  return Number(one[name]) + Number(other[name]);
}
