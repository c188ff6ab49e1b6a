// The way to the upstream: through two proxies, and chosen among many routes, of which the last is asked for.

import { entrants, get, LOAD } from './entrants.ts';
import type { LoadScenario } from './scenario.ts';

function routes(count: number): LoadScenario {
  return {
    ...LOAD,
    name: `routes-${count}`,
    about: `GET, 300 B answer, the last of ${count.toLocaleString('en')} routes by path prefix`,
    entrants: entrants(['nginx', 'haproxy', 'envoy', 'weft'], { routes: count }),
    traffic: get(300, { path: `/route-${count - 1}/300` }),
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
  routes(100),
  routes(1000),
  routes(10_000),
];
