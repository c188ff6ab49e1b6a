// TLS at the edge: requests over connections that stay, and handshakes alone. TLS 1.3 and a certificate of P-256 for everybody.

import { entrants, get, LOAD } from './entrants.ts';
import type { LoadScenario } from './scenario.ts';

const EDGES = entrants(['nginx', 'haproxy', 'envoy', 'weft'], { speaks: 'tls' });
/** Envoy keeps its tickets until it answers something, so that nobody could resume. */
const SHAKING = EDGES.filter(({ peer }) => peer !== 'envoy');

export const tls: readonly LoadScenario[] = [
  {
    ...LOAD,
    name: 'tls-gateway',
    about: 'GET by https, 300 B answer, 32 keep-alive connections',
    entrants: EDGES,
    traffic: get(300),
    rate: 0,
    length: 2,
  },
  {
    ...LOAD,
    name: 'handshake-full',
    about: 'TLS 1.3 handshakes by X25519, 8 at a time, and nothing else; cost of each, with its connection and tickets',
    entrants: SHAKING,
    traffic: get(300, { as: 'full-handshakes', connections: 8 }),
    closed: 'handshakes',
    rate: 0,
    length: 2,
    warm: 2000,
  },
  {
    ...LOAD,
    name: 'handshake-resumed',
    about: 'the same where each resumes the session of a first one',
    entrants: SHAKING,
    traffic: get(300, { as: 'resumed-handshakes', connections: 8 }),
    closed: 'handshakes',
    rate: 0,
    length: 2,
    warm: 2000,
  },
];
