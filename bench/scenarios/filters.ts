// What filters cost: the default chain beside Envoy's native filters, and one WebAssembly filter, the same file in both.
// The credentials of the chain are added to its requests by the run.

import type { WasmFilter } from '../setups.ts';
import { entrant, get, LOAD } from './entrants.ts';
import type { LoadScenario } from './scenario.ts';

/** What the benchmark's filter writes into an answer. */
export const FILTER_PROOF = 'x-bench: yes';

export const filters: readonly LoadScenario[] = [
  {
    ...LOAD,
    name: 'chain',
    about:
      'GET, 300 B answer, with a token: authn, rbac, ratelimit, fault, telemetry; nginx passes on without any of it',
    entrants: [
      entrant('nginx', 'nginx'),
      entrant('envoy', 'envoy', { filters: 'chain' }),
      entrant('weft', 'weft', { filters: 'chain' }),
    ],
    traffic: get(300),
    length: 2,
  },
  oneModule('wasm-header', 'of our SDK'),
  oneModule('wasm-rust', 'of the public Rust SDK'),
  oneModule('wasm-go', 'of the public Go SDK'),
];

function oneModule(filters: WasmFilter, made: string): LoadScenario {
  return {
    ...LOAD,
    name: filters,
    about: `GET, 300 B answer, one WebAssembly filter ${made} that reads three headers and writes two, the same file in both`,
    entrants: [
      entrant('envoy-plain', 'envoy'),
      entrant('envoy', 'envoy', { filters }),
      entrant('weft-plain', 'weft'),
      entrant('weft', 'weft', { filters }),
    ],
    traffic: get(300),
    length: 2,
    proof: FILTER_PROOF,
  };
}
