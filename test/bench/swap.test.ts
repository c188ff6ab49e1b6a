import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from '../../bench/soak/swap.ts';

const quiet = { shards: 2, say: () => undefined };

for (const isolation of ['inline', 'pool'] as const) {
  test(`plugins with isolation ${isolation} are swapped under load, and no request fails or sees two revisions`, async () => {
    const { swaps, revisions, requests, slowRequests, failures, filters } = await soak({
      ...quiet,
      swaps: 24,
      plugins: 3,
      isolation,
    });
    assert.deepEqual(failures, []);
    assert.deepEqual([swaps, revisions], [24, 8]);
    assert.ok(requests > 0 && slowRequests > 0);
    // Of what was replaced nothing stands in a chain: three plugins, told by each of two shards or by one for both.
    assert.ok(filters === 3 || filters === 6, `${filters} filters`);
  });
}
