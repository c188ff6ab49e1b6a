import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { suite, test } from 'node:test';
import { BroadcastChannel } from 'node:worker_threads';
import { until } from '../../until.ts';
import { CHANNEL, type Doom } from './doomed-shard.ts';
import { bench, figure, GATEWAY, get, portOf, reverseProxy } from './harness.ts';

/** Long enough that a busy machine does not make a shard look stuck that is only waiting for its turn. */
const STUCK_AFTER_MS = 3_000;

const DOOMED = new URL('./doomed-shard.ts', import.meta.url);

suite('supervision of shards', () => {
  for (const [how, said] of [
    [
      'throw',
      /shard 1 failed: TypeError: doom by exception \(.*doomed-shard\.ts:\d+:\d+\); started again in \d+ ms, 1 of 2 shards serve on/,
    ],
    ['reject', /shard 1 failed: doom by rejection .*1 of 2 shards serve on/],
    ['exit', /shard 1 failed: worker exited with code: 3.*1 of 2 shards serve on/],
  ] as const) {
    test(`a shard that ends by ${how} is replaced while the other serves, and the log says so`, async (t) => {
      const { proxy, url, doom, log } = await twoShards(t);
      for (let i = 0; i < 10; i++) assert.equal((await get(url)).status, 200);
      doom(1, how);
      await log.line(said);
      // What reaches the dying shard's socket is lost with it; the other serves.
      let served = 10;
      await until('it serves on', async () => {
        const answers = await Promise.allSettled(Array.from({ length: 4 }, () => get(url)));
        const good = answers.filter(({ status }) => status === 'fulfilled').length;
        served += good;
        return good > 0;
      });
      await log.line(/shard 1 is started again/);
      for (let i = 0; i < 10; i++) assert.equal((await get(url)).status, 200);
      await until('both serve again', async () => (await figure(proxy, 'weft_shards_serving')) === 2);
      assert.equal(await figure(proxy, 'weft_shard_restarts_total'), 1);
      assert.equal(await figure(proxy, 'istio_requests_total'), served + 10, 'the counters of the dead shard go on');
    });
  }

  test('a shard in an endless loop is found by its silence and replaced, and the log says so', async (t) => {
    const { proxy, url, doom, log } = await twoShards(t);
    doom(0, 'loop');
    // Those that the stuck shard's socket gets wait for its end; the others are served. By chance all of a few would be
    // its own, so there are many.
    await until('it serves on', () =>
      Promise.any(Array.from({ length: 24 }, () => get(url))).then(
        () => true,
        () => false,
      ),
    );
    assert.equal(log.all.filter((line) => line.includes('failed')).length, 0, 'served before it was found');
    await log.line(/shard 0 failed: no sign of life for \d+ ms: its thread is terminated; started again/);
    await log.line(/shard 0 is started again/);
    await until('both serve again', async () => (await figure(proxy, 'weft_shards_serving')) === 2);
    for (let i = 0; i < 10; i++) assert.equal((await get(url)).status, 200);
  });

  test('the last shard of a proxy comes back, too, with its configuration', async (t) => {
    const { proxy, url, doom, log } = await twoShards(t);
    doom(0, 'throw');
    doom(1, 'throw');
    await log.line(/0 of 2 shards serve on/);
    await until('both serve again', async () => (await figure(proxy, 'weft_shards_serving')) === 2);
    assert.equal((await get(url)).status, 200);
  });

  test('a shard that keeps dying is started again less and less often', async (t) => {
    const { proxy, doom, log } = await twoShards(t);
    for (let deaths = 1; deaths <= 4; deaths++) {
      await until('both serve', async () => (await figure(proxy, 'weft_shards_serving')) === 2);
      doom(1, 'throw');
      await until('it died', async () => (await figure(proxy, 'weft_shard_restarts_total')) === deaths);
    }
    const waits = log.all.flatMap((line) => /started again in (\d+) ms/.exec(line)?.slice(1).map(Number) ?? []);
    assert.deepEqual(waits, [50, 100, 200, 400]);
  });
});

async function twoShards(t: Parameters<typeof bench>[0]) {
  const { write, start, upstream, log } = await bench(t);
  await write('edge.yaml', reverseProxy(upstream));
  const node = { ...GATEWAY, id: randomUUID() };
  const proxy = await start({ shards: 2, node, shardFile: DOOMED, stuckAfterMs: STUCK_AFTER_MS });
  const channel = new BroadcastChannel(CHANNEL);
  t.after(() => channel.close());
  const doom = (shard: number, how: Doom['how']): void =>
    channel.postMessage({ node: node.id, shard, how } satisfies Doom);
  return { proxy, url: `http://127.0.0.1:${portOf(proxy)}/`, doom, log };
}
