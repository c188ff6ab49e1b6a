// Which servers of a Gateway carry connections as they are. Without the kinds' schemas, which shards do not load.

import { carriesBytes } from './schemas/port-protocol.ts';

/** 'names': by the name that a client of TLS asks for, whose TLS is not ended here. */
export type Carried = 'bytes' | 'names';

/** A server, as far as that is about it. */
interface Asked {
  readonly port: { readonly number: number; readonly protocol: string };
  readonly tls?: { readonly mode?: string };
}

/** Null: it is one of requests, or ends TLS. */
export function carriedAs({ port, tls }: Asked): Carried | null {
  const protocol = port.protocol.toUpperCase();
  if (!carriesBytes(protocol)) return null;
  if (protocol === 'TLS' || protocol === 'HTTPS') {
    return tls?.mode === undefined || tls.mode.endsWith('PASSTHROUGH') ? 'names' : null;
  }
  return tls?.mode === undefined || tls.mode === 'PASSTHROUGH' ? 'bytes' : null;
}

/** Whether names of services of the mesh lead on, and no rules do. */
export function passesOn(server: Asked): boolean {
  return server.tls?.mode === 'AUTO_PASSTHROUGH' && carriedAs(server) === 'names';
}

/** The ports all of whose servers say the same: one connection cannot be two things. */
export function carriedPorts(servers: readonly Asked[]): ReadonlyMap<number, Carried> {
  const found = new Map<number, Carried>();
  for (const [number, those] of Map.groupBy(servers, ({ port }) => port.number)) {
    const [first, ...others] = new Set(those.map(carriedAs));
    if (first !== null && others.length === 0) found.set(number, first);
  }
  return found;
}
