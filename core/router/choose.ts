// The stage that gives an exchange its virtual host and its route.

import type { FailureCode } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { type ConnectionMemo, memoOf } from '../exchange/identify.ts';
import type { ShardContext } from '../shard/context.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { findRoute } from './hosts.ts';
import type { VirtualHost } from './route.ts';

const matched = { covered: 0 };

/** Sets host and route. Returns null, or why there is none. */
export function chooseRoute(exchange: Exchange): FailureCode | null {
  const host = chooseHost(exchange);
  if (typeof host === 'string') return host;
  exchange.host = host;
  const route = findRoute(host, exchange.requestHead, matched);
  if (route === null) return 'no_route';
  exchange.route = route;
  exchange.covered = matched.covered;
  return null;
}

function chooseHost(exchange: Exchange): VirtualHost | FailureCode {
  const { snapshot, direction, stream } = exchange;
  if (direction === 'inbound') return snapshot.inbound ?? 'no_route';
  if (stream.destination !== null) return lookUp(exchange, stream.destination);
  const memo = memoOf(exchange.connection);
  if (memo.generation === snapshot.generation && memo.host !== null && sameAuthority(exchange, memo)) return memo.host;
  const { requestHead: head } = exchange;
  const host = lookUp(exchange, head.authority);
  if (typeof host === 'string' || head.newAuthority !== null) return host;
  const start = head.authorityStart;
  // A copy: what was received is 64 KiB that an idle connection must not keep.
  memo.authority = new Uint8Array(head.bytes.subarray(start, start + head.authorityLength));
  memo.generation = snapshot.generation;
  memo.host = host;
  return host;
}

function sameAuthority(exchange: Exchange, memo: ConnectionMemo): boolean {
  const { requestHead: head } = exchange;
  const last = memo.authority;
  if (last === null || head.newAuthority !== null || head.authorityLength !== last.length) return false;
  const { bytes, authorityStart } = head;
  for (let i = 0; i < last.length; i++) if (bytes[authorityStart + i] !== last[i]) return false;
  return true;
}

function lookUp(exchange: Exchange, authority: string): VirtualHost | FailureCode {
  const { snapshot, direction, shard } = exchange;
  if (direction === 'outbound') return outboundHost(snapshot, shard, authority);
  return snapshot.gateways.get(exchange.listener.spec.configuredPort)?.find(authority) ?? 'no_route';
}

/** The mesh's own host of this name, or a way past the mesh where that is allowed. */
export function outboundHost(snapshot: Snapshot, shard: ShardContext, authority: string): VirtualHost | FailureCode {
  const host = snapshot.outbound.find(authority);
  return host === null || host.asNamed ? shard.passthrough(authority, host !== null) : host;
}
