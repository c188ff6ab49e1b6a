// What a chain of six filters costs, each of which reads three headers and sets one: called as every host would call them,
// and spared the calls that the SDK's frame makes needless. Guests are metered neither way, as built-in filters are not.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compileFilter } from '../../asbuild/compile.ts';
import { FilterChain } from '../../core/exchange/filter-chain.ts';
import { chainSubject } from './filter-chain.ts';
import { FIELDS, plainSpec, startRuntime } from './request.ts';
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
    return new FilterChain(filters);
  });
  return {
    subjects: [
      chainSubject('six filters, called as every host would', 16, asAnyHost, FIELDS),
      chainSubject('six filters, spared what the frame spares', 9.5, framed, FIELDS),
    ],
    stop() {
      for (const runtime of runtimes) runtime.stop();
    },
  };
}
