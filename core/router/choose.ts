// The stage that finds a request's virtual host in the snapshot that the request began with; its routes are hosts.ts's.

import type { FailureCode } from '../errors.ts';
import type { Head } from '../http/head.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { splitAuthority } from './hosts.ts';
import type { VirtualHost } from './route.ts';

/** What a connection remembers of its last request, since the next one mostly names the same host. */
export class RouteMemo {
  /** The authority, as bytes, and the virtual host it led to in the snapshot of this generation. */
  authority: Uint8Array | null = null;
  generation = 0;
  host: VirtualHost | null = null;
}

function memoOf(connection: RoutedConnection): RouteMemo {
  const known = connection.memo;
  if (known instanceof RouteMemo) return known;
  const memo = new RouteMemo();
  connection.memo = memo;
  return memo;
}

/** What a connection is routed by. */
export interface RoutedConnection {
  memo: unknown;
  /** Null in plain text; `server`: which one of a gateway it is with. */
  readonly tls: { readonly server: string } | null;
}

/** The listener that a request arrived at, and the ways past the mesh of the shard behind it. */
export interface RouteScope {
  /** `configuredPort`: the port number that Gateway servers name. */
  readonly spec: { readonly kind: 'inbound' | 'outbound' | 'gateway'; readonly configuredPort: number };
  readonly shard: {
    /** Where a host leads to that the mesh does not know, or knows only by a wildcard (`wildcard`); or why it may not. */
    passthrough(authority: string, wildcard: VirtualHost | null): VirtualHost | FailureCode;
  };
}

/**
 * The virtual host of a request, or why there is none. `destination`: fixed by a tunnel, whatever the head says; null: what it
 * says.
 */
export function chooseHost(
  scope: RouteScope,
  snapshot: Snapshot,
  head: Head,
  destination: string | null,
  connection: RoutedConnection,
): VirtualHost | FailureCode {
  if (scope.spec.kind === 'inbound') return snapshot.inbound ?? 'no_route';
  if (destination !== null) return findHost(scope, snapshot, destination, connection);
  const memo = memoOf(connection);
  if (memo.generation === snapshot.generation && memo.host !== null && sameAuthority(head, memo)) return memo.host;
  const host = findHost(scope, snapshot, head.authority, connection);
  if (typeof host === 'string' || head.newAuthority !== null) return host;
  const start = head.authorityStart;
  // A copy: what was received is 64 KiB that an idle connection must not keep.
  memo.authority = new Uint8Array(head.bytes.subarray(start, start + head.authorityLength));
  memo.generation = snapshot.generation;
  memo.host = host;
  return host;
}

function sameAuthority(head: Head, memo: RouteMemo): boolean {
  const last = memo.authority;
  if (last === null || head.newAuthority !== null || head.authorityLength !== last.length) return false;
  const { bytes, authorityStart } = head;
  for (let i = 0; i < last.length; i++) if (bytes[authorityStart + i] !== last[i]) return false;
  return true;
}

/** The mesh's own host of this name, or for a sidecar's application a way past the mesh where that is allowed. */
export function findHost(
  scope: RouteScope,
  snapshot: Snapshot,
  authority: string,
  { tls }: RoutedConnection,
): VirtualHost | FailureCode {
  const { kind, configuredPort } = scope.spec;
  if (kind !== 'outbound') {
    const secured = snapshot.tls.get(configuredPort);
    if (secured !== undefined) {
      // RFC 9110 7.4: of another server, which may ask for a certificate that this one did not.
      const server = secured.names.find(hostOf(authority));
      if (server === null) return 'no_route';
      if (server.key !== tls?.server) return 'misdirected';
    }
    return snapshot.gateways.get(configuredPort)?.find(authority) ?? 'no_route';
  }
  const host = snapshot.outbound.find(authority);
  if (host !== null && !host.asNamed) return host;
  // Where nothing is named there is no way past the mesh.
  return authority === '' ? 'missing_host' : scope.shard.passthrough(authority, host);
}

/** As servers name it. */
function hostOf(authority: string): string {
  const { host } = splitAuthority(authority);
  return host.endsWith('.') ? host.slice(0, -1) : host;
}
