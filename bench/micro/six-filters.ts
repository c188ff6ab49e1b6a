// What a chain of six filters costs, each of which reads three headers and sets one: called as every host would call them,
// and spared the calls that the SDK's frame makes needless. Guests are metered neither way, as built-in filters are not.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compileFilter } from '../../asbuild/compile.ts';
import { Passage, type Traveller } from '../../core/chain.ts';
import { ChainSpec } from '../../core/chain-spec.ts';
import { FIELDS, plainSpec, received, recordOf, startRuntime } from './request.ts';
import type { Subject } from './subject.ts';

const ENTRY = join(import.meta.dirname, '../../filters/sdk/fixtures/three-headers.ts');
const FILTERS = 6;
const EMPTY = new Uint8Array(0);

/** Both ways; `stop` ends the guests. */
export async function sixFilters(): Promise<{ subjects: readonly Subject[]; stop: () => void }> {
  const bytes = await compileFilter({ entry: ENTRY });
  const digest = createHash('sha256').update(bytes).digest('hex');
  const module = await WebAssembly.compile(bytes);
  const runtimes = [false, true].map((frames) => startRuntime(frames));
  const [asAnyHost, framed] = runtimes.map((runtime) => {
    const filters = Array.from({ length: FILTERS }, (_, i) =>
      runtime.configure({
        ...plainSpec({ name: `filter-${i}`, digest, module, configuration: EMPTY }),
        vmId: String(i),
      }),
    );
    return new ChainSpec(filters);
  });
  return {
    subjects: [
      passage('six filters, called as every host would', 16, asAnyHost),
      passage('six filters, spared what the frame spares', 9.5, framed),
    ],
    stop() {
      for (const runtime of runtimes) runtime.stop();
    },
  };
}

/** A request enters all of them, and ends. */
function passage(name: string, budget: number, chain: ChainSpec): Subject {
  const head = received(FIELDS);
  let passed = 0;
  const exchange = { ...recordOf(head), forward: () => void passed++ } as unknown as Traveller;
  return {
    name,
    budget,
    run(times) {
      passed = 0;
      for (let i = 0; i < times; i++) {
        const through = new Passage(exchange, chain);
        through.enter(true);
        through.end();
        head.added.length = 0;
      }
      if (passed !== times) throw new Error(`${name}: ${times - passed} of ${times} did not pass`);
    },
  };
}
