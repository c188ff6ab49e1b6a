// Whom a connection to an endpoint is for, when it is made in TLS, and the sessions that connections before it began.

import type { PoolEndpoint } from '../cluster/pool.ts';
import type { Protocol } from '../transport/protocol.ts';
import { noSession, type Originated, type Sessions, type TlsTarget } from '../transport/tls/outbound.ts';
import type { Workload } from '../workload.ts';

/** As sidecars offer it to each other; with who does not carry many requests in one connection, each has its own. */
const OFFERS: Readonly<Record<Protocol | 'bytes', readonly string[]>> = {
  'http/1.1': ['istio-http/1.1'],
  h2: ['istio-h2', 'h2'],
  bytes: ['istio'],
  'weft-multiplexed': ['weft-multiplexed', 'istio-http/1.1'],
};

export class TlsTargets {
  private readonly sessions = new WeakMap<PoolEndpoint, Sessions>();

  /**
   * Who answers has to be whom a rule names, else whom the registry has there: it alone, since another of the same service is at
   * another endpoint. An alias of its trust domain is as good as that.
   */
  inMesh(endpoint: PoolEndpoint, protocol: Protocol | 'bytes'): TlsTarget {
    const { tls, workload } = endpoint;
    return {
      serverName: tls?.serverName ?? '',
      identities: tls?.identities ?? knownAs(workload, tls?.aliases ?? []),
      origination: null,
      protocols: OFFERS[protocol],
      sessions: this.sessionsOf(endpoint),
    };
  }

  /** Whom the rule means. */
  outside(endpoint: PoolEndpoint, origination: Originated, protocols: readonly string[]): TlsTarget {
    const { serverName, identities } = endpoint.tls!;
    return { serverName, identities, origination, protocols, sessions: this.sessionsOf(endpoint) };
  }

  private sessionsOf(endpoint: PoolEndpoint): Sessions {
    let sessions = this.sessions.get(endpoint);
    if (sessions === undefined) {
      sessions = noSession();
      this.sessions.set(endpoint, sessions);
    }
    return sessions;
  }
}

/** Null: the registry has nobody there. */
function knownAs(workload: Workload | null, aliases: readonly string[]): string[] | null {
  if (workload === null) return null;
  const { trustDomain, namespace, serviceAccount } = workload;
  return [trustDomain, ...aliases].map((domain) => `spiffe://${domain}/ns/${namespace}/sa/${serviceAccount}`);
}
