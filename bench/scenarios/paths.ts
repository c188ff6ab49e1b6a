// The way to the upstream: through two proxies, and chosen among many routes, of which the last is asked for.

import { entrant, entrants, get, LOAD } from './entrants.ts';
import type { LoadScenario } from './scenario.ts';

/** HAProxy compares one rule after the other: with 10,000 it answers a hundred requests a second. */
function routes(count: number): LoadScenario {
  const peers = count > 1000 ? ['nginx', 'envoy', 'weft'] : ['nginx', 'haproxy', 'envoy', 'weft'];
  return {
    ...LOAD,
    name: `routes-${count}`,
    about: `GET, 300 B answer, the last of ${count.toLocaleString('en')} routes by path prefix`,
    entrants: entrants(peers, { routes: count }),
    traffic: get(300, { path: `/route-${count - 1}/300` }),
  };
}

/** Asked by the name of the service, which peers other than weft do not look at. */
function mtls(connections: number): LoadScenario {
  return {
    ...LOAD,
    name: connections === 32 ? 'mtls' : `mtls-${connections}`,
    about: `GET, 300 B answer, ${connections} keep-alive, two proxies of a kind with mutual TLS between them; cost of both together`,
    entrants: [
      ...entrants(['nginx', 'envoy', 'weft'], { pair: 'mtls' }),
      entrant('weft-apart', 'weft', { pair: 'mtls-apart' }),
    ],
    traffic: get(300, { connections, headers: { host: 'bench' } }),
  };
}

export const paths: readonly LoadScenario[] = [
  {
    ...LOAD,
    name: 'two-proxies',
    about: 'GET, 300 B answer, through two proxies of a kind, as between two sidecars; cost of both together',
    entrants: entrants(['nginx', 'haproxy', 'envoy', 'weft'], { hops: 2 }),
    traffic: get(300),
  },
  mtls(32),
  mtls(1),
  routes(100),
  routes(1000),
  routes(10_000),
];
