// The process rather than its requests: memory, start, change of configuration.

import { EVERYONE, entrants, get } from './entrants.ts';
import type { Scenario } from './scenario.ts';

export const process: readonly Scenario[] = [
  { kind: 'idle', name: 'idle', about: 'memory before the first request', entrants: entrants(EVERYONE) },
  {
    kind: 'idle',
    name: 'idle-1000-services',
    about: 'memory before the first request, 1,000 hosts with a cluster and a route each',
    entrants: entrants(['nginx', 'envoy', 'weft'], { services: 1000 }),
  },
  {
    kind: 'idle',
    name: 'idle-run',
    about: "memory of `mesh run`'s sidecar in a mesh, without its application, before the first request",
    entrants: entrants(['weft'], { behind: 'application' }),
  },
  {
    kind: 'start',
    name: 'start',
    about: 'from the start of the process to its first answer',
    entrants: entrants(EVERYONE),
  },
  {
    kind: 'apply',
    name: 'apply',
    about: 'from the writing of a file with a new route to the first answer by it; 1,000 hosts',
    entrants: entrants(['nginx', 'weft'], { services: 1000 }),
  },
  {
    kind: 'soak',
    name: 'soak',
    about: 'memory under load over time',
    entrants: entrants(['weft']),
    traffic: get(1024),
    length: 30,
    rate: 2000,
  },
];
