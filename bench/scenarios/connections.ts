// The same small request over one connection, over many, over far too many, and over a new one each time.

import { entrants, get, LOAD, RIVALS } from './entrants.ts';
import type { LoadScenario } from './scenario.ts';

const few = entrants(['nginx', 'haproxy', 'envoy', 'weft']);

export const connections: readonly LoadScenario[] = [
  {
    ...LOAD,
    name: 'connections-1',
    about: 'GET, 300 B answer, one connection',
    entrants: few,
    traffic: get(300, { connections: 1 }),
  },
  {
    ...LOAD,
    name: 'connections-512',
    about: 'GET, 300 B answer, 512 keep-alive connections',
    entrants: few,
    traffic: get(300, { connections: 512 }),
  },
  {
    ...LOAD,
    name: 'connections-5000',
    about: 'GET, 300 B answer, 5,000 keep-alive connections: all busy for the cost, used in turn for the latency',
    entrants: few,
    traffic: get(300, { connections: 5000 }),
    length: 3,
  },
  {
    ...LOAD,
    name: 'new-connection',
    about: 'GET, 300 B answer, a connection for each request, 32 at a time',
    entrants: entrants(RIVALS),
    traffic: get(300, { fresh: true }),
    rate: 200,
  },
];
