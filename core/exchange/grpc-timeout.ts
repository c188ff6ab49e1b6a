// How long a gRPC call may take, as its client says it in `grpc-timeout`, within what the route allows: as Envoy's max_grpc_timeout,
// which Istio sets to the route's time-out.

import { FieldName, type Head } from '../http/head.ts';

const GRPC_TIMEOUT = new FieldName('grpc-timeout');
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * Of a call. Milliseconds; 0: as long as it likes. `routeMs`: the route's, 0: none. Where the route allows less than the client asks for, the
 * upstream is told.
 */
export function callTimeout(head: Head, routeMs: number): number {
  const asked = head.get(GRPC_TIMEOUT);
  if (asked === undefined) return routeMs;
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(asked) ?? [];
  const ms = digits === undefined ? 0 : Math.ceil(Number(digits) * UNIT_MS[unit]);
  if (routeMs === 0 || (ms > 0 && ms <= routeMs)) return ms;
  head.put(GRPC_TIMEOUT, routeMs <= 99_999_999 ? `${Math.ceil(routeMs)}m` : `${Math.ceil(routeMs / 1000)}S`);
  return routeMs;
}
