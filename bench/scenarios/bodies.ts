// Sizes of requests and answers, from the smallest useful one to a download.

import { EVERYONE, entrants, get, LOAD, RIVALS } from './entrants.ts';
import type { LoadScenario } from './scenario.ts';

const MIB = 1 << 20;

export const bodies: readonly LoadScenario[] = [
  {
    ...LOAD,
    name: 'plain-get',
    about: 'GET, 300 B answer, 32 keep-alive connections',
    entrants: entrants(EVERYONE),
    traffic: get(300),
    length: 2,
  },
  {
    ...LOAD,
    name: 'plain-get-1k',
    about: 'GET, 1 KiB answer, 32 keep-alive connections',
    entrants: entrants(EVERYONE),
    traffic: get(1024),
  },
  {
    ...LOAD,
    name: 'post-10k',
    about: 'POST of 10 KiB, 300 B answer, 32 keep-alive connections',
    entrants: entrants(EVERYONE),
    traffic: get(300, { method: 'POST', requestBodyBytes: 10 << 10 }),
  },
  {
    ...LOAD,
    name: 'body-1m',
    about: 'GET, 1 MiB answer, 8 keep-alive connections',
    entrants: entrants(RIVALS),
    traffic: get(MIB, { connections: 8 }),
    rate: 50,
    closed: 'patient',
    warm: 1,
  },
  {
    ...LOAD,
    name: 'body-1g',
    about: 'GET, 1 GiB answer, one connection',
    entrants: entrants(RIVALS),
    traffic: get(1024 * MIB, { connections: 1 }),
    rate: 0,
    closed: 'patient',
    warm: 1,
  },
];
