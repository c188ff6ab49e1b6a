// A page that is made of many requests, through a whole mesh: Istio's Bookinfo, beside the same without a mesh.

import { PAGE } from '../bookinfo/page.ts';
import { entrants, get, LOAD } from './entrants.ts';
import type { LoadScenario } from './scenario.ts';

export const bookinfo: readonly LoadScenario[] = [
  {
    ...LOAD,
    name: 'bookinfo-page',
    about:
      "Bookinfo's page over 8 connections, through a gateway and four sidecars, eight ways through a proxy for each page; cost of all proxies together",
    entrants: entrants(['direct', 'envoy', 'weft'], { behind: 'bookinfo' }),
    traffic: { ...get(300, { path: PAGE, connections: 8 }), responseBodyBytes: null },
    rate: 50,
    closed: 'patient',
    length: 3,
    warm: 3000,
  },
];
