// Who takes part in a scenario, in few words, and the request that most scenarios vary.

import type { Traffic } from '../load/load.ts';
import { PLAIN, type Setup } from '../setups.ts';
import type { Entrant } from './scenario.ts';

export const EVERYONE = ['nginx', 'haproxy', 'caddy', 'envoy', 'reply-from', 'http-proxy', 'weft'];
/** The limit to chase, the two proxies that meshes use, and what Node users run. */
export const RIVALS = ['nginx', 'haproxy', 'envoy', 'reply-from', 'weft'];

export function entrants(peers: readonly string[], setup: Partial<Setup> = {}): Entrant[] {
  return peers.map((peer) => ({ label: peer, peer, setup: { ...PLAIN, ...setup } }));
}

/** One of them under a name of its own. */
export function entrant(label: string, peer: string, setup: Partial<Setup> = {}): Entrant {
  return { label, peer, setup: { ...PLAIN, ...setup } };
}

/** `responseBodyBytes` are those of the upstream's answer. */
export function get(responseBodyBytes: number, other: Partial<Traffic> = {}): Traffic {
  return {
    method: 'GET',
    path: `/${responseBodyBytes}`,
    requestBodyBytes: 0,
    responseBodyBytes,
    connections: 32,
    headers: {},
    fresh: false,
    as: 'requests',
    streams: 1,
    ...other,
  };
}

/** What most load scenarios have in common. */
export const LOAD = { kind: 'load', rate: 1000, closed: 'wrk', length: 1, warm: 30_000, proof: null } as const;
