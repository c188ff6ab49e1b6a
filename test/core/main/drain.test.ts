import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { until } from '../../until.ts';
import { bench, get, listen, portOf, reverseProxy } from './harness.ts';

suite('the end of a proxy', () => {
  test('a drain finishes what has begun, takes nothing new, and then the proxy is gone', async (t) => {
    const { proxy, held } = await withSlowUpstream(t, 10_000);
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    const begun = get(url);
    await until('the upstream has it', () => held.length === 1);
    const drained = proxy.drain();
    await until('nothing new is taken', () =>
      get(`${url}quick`).then(
        () => false,
        () => true,
      ),
    );
    const { status, body } = await get(`${proxy.admin}/ready`);
    assert.deepEqual([status, body.split(':')[0]], [503, 'DRAINING']);
    held[0].end('late');
    assert.deepEqual(await begun, { status: 200, body: 'late' });
    await drained;
    await proxy.exited;
    await assert.rejects(get(`${proxy.admin}/ready`));
  });

  test('what does not finish within the time-out is cut off', async (t) => {
    const { proxy, held, log } = await withSlowUpstream(t, 300);
    const begun = get(`http://127.0.0.1:${portOf(proxy)}/`);
    const cut = assert.rejects(begun);
    await until('the upstream has it', () => held.length === 1);
    await proxy.drain();
    await cut;
    await log.line(/what was not finished in time is cut off/);
  });

  test('POST /quitquitquit ends it in order, POST /drain_listeners only its listeners', async (t) => {
    const { proxy } = await withSlowUpstream(t, 1_000);
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    assert.equal((await get(`${proxy.admin}/drain_listeners`, { method: 'POST' })).status, 200);
    await until('nothing new is taken', () =>
      get(`${url}quick`).then(
        () => false,
        () => true,
      ),
    );
    assert.equal((await get(`${proxy.admin}/server_info`)).status, 200);
    assert.equal((await get(`${proxy.admin}/quitquitquit`, { method: 'POST' })).status, 200);
    await proxy.exited;
  });

  test('closing twice, or after a drain, is closing once', async (t) => {
    const { proxy } = await withSlowUpstream(t, 1_000);
    await Promise.all([proxy.drain(), proxy.drain(), proxy.close()]);
    await proxy.close();
    await proxy.exited;
  });
});

async function withSlowUpstream(t: TestContext, drainTimeoutMs: number) {
  const { write, start, log } = await bench(t);
  const held: ServerResponse[] = [];
  const upstream = await listen(
    createServer((request, response) => {
      if (request.url === '/quick') response.end();
      else held.push(response);
    }),
  );
  t.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  await write('edge.yaml', reverseProxy((upstream.address() as AddressInfo).port));
  return { proxy: await start({ shards: 2, drainTimeoutMs }), held, log };
}
