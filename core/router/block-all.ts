// Where hosts lead that only a registry may name, and that it does not know: Istio's answer, by its names.

import { PASSTHROUGH_RETRIES } from '../builtins/retry/policy.ts';
import { EMPTY_CHAIN } from '../exchange/filter-chain.ts';
import { plainRoute } from './plain-route.ts';
import type { VirtualHost } from './route.ts';

export const BLACK_HOLE = 'BlackHoleCluster';

export const BLOCK_ALL: VirtualHost = Object.freeze({
  name: 'block_all',
  domains: ['*'],
  service: BLACK_HOLE,
  port: 0,
  asNamed: false,
  grpcWeb: false,
  unrouted: null,
  routes: [
    {
      ...plainRoute({
        name: 'block_all',
        cluster: null,
        clusterName: '',
        chain: EMPTY_CHAIN,
        retry: PASSTHROUGH_RETRIES,
      }),
      action: { type: 'direct' as const, status: 502, body: Buffer.alloc(0) },
    },
  ],
});
