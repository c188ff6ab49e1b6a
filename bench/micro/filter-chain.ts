// What a request costs that enters the filters of a chain and ends, on a head as the codec leaves it.

import type { FilterChain } from '../../core/exchange/filter-chain.ts';
import { FilterManager, type FilterManagerCallbacks } from '../../core/exchange/filter-manager.ts';
import { received, recordOf } from './request.ts';
import type { Subject } from './subject.ts';

/** `lines`: the request's fields. Throws when more than chance stops requests: an abort of one in a million does. */
export function chainSubject(name: string, budget: number, chain: FilterChain, lines: readonly string[]): Subject {
  const head = received(lines);
  let passed = 0;
  const exchange = {
    ...recordOf(head),
    host: null,
    forward: () => void passed++,
    reply: () => undefined,
  } as unknown as FilterManagerCallbacks;
  return {
    name,
    budget,
    run(times) {
      passed = 0;
      for (let i = 0; i < times; i++) {
        const through = new FilterManager(exchange, chain);
        through.head('request', true);
        through.end();
        head.added.length = 0;
      }
      if (times - passed > 1 + times / 1000) throw new Error(`${name}: ${times - passed} of ${times} did not pass`);
    },
  };
}
