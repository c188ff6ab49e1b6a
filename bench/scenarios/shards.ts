// Two threads of a peer beside one. nginx with its workers is there to show what the machine itself gives: caches and the
// scheduler take their part from everybody.

import type { Setup } from '../setups.ts';
import { entrant, get, LOAD } from './entrants.ts';
import type { ScalingScenario } from './scenario.ts';

/** `scaling`: two shards' requests for each of one, were each on a core of its own. */
const SHARDS = { ...LOAD, kind: 'scaling', traffic: get(300, { connections: 64 }), rate: 0, length: 2 } as const;

function weft(setup: Partial<Setup>) {
  return [entrant('weft-1-shard', 'weft', setup), entrant('weft', 'weft', { ...setup, shards: 2 })];
}

export const shards: readonly ScalingScenario[] = [
  {
    ...SHARDS,
    name: 'shards-2',
    about: 'GET, 300 B answer, 64 connections: two shards, or workers, beside one',
    entrants: [entrant('nginx-1-worker', 'nginx'), entrant('nginx', 'nginx', { shards: 2 }), ...weft({})],
  },
  {
    ...SHARDS,
    name: 'shards-2-chain',
    about: 'the same through authn, rbac, ratelimit, fault, telemetry: two shards share the buckets of their limits',
    entrants: weft({ filters: 'chain' }),
  },
];
