// What every source of configuration owes the proxy, wherever it has it from.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { type Bench, get, portOf, reverseProxy } from '../core/main/harness.ts';
import { until } from '../until.ts';

export interface SourceBench extends Pick<Bench, 'start' | 'upstream' | 'log'> {
  /** Makes these resources what the source has, also when no proxy can run them. */
  put(yaml: string): Promise<void>;
}

export function sourceContract(name: string, open: (t: TestContext) => Promise<SourceBench>): void {
  suite(`a source of configuration: ${name}`, () => {
    test('what is there when the proxy starts is what it runs once it is ready', async (t) => {
      const { put, start, upstream } = await open(t);
      await put(reverseProxy(upstream));
      const proxy = await start();
      await proxy.ready;
      assert.equal((await get(`http://127.0.0.1:${portOf(proxy)}/`)).status, 200);
      const { body } = await get(`${proxy.admin}/ready`);
      assert.equal(body, 'LIVE\n');
    });

    test('a change is followed, and every request after it meets it', async (t) => {
      const { put, start, upstream } = await open(t);
      await put(reverseProxy(upstream));
      const proxy = await start();
      await proxy.ready;
      const url = `http://127.0.0.1:${portOf(proxy)}/`;
      await put(reverseProxy(upstream).replace('prefix: /', 'prefix: /only-here'));
      await until('the change', async () => (await get(url)).status === 404);
      assert.equal((await get(`${url}only-here`)).status, 200);
    });

    test('what cannot run leaves what runs, and the log says why; the next change is taken', async (t) => {
      const { put, start, upstream, log } = await open(t);
      await put(reverseProxy(upstream));
      const proxy = await start();
      await proxy.ready;
      const url = `http://127.0.0.1:${portOf(proxy)}/`;
      await put(reverseProxy(upstream).replace('prefix: /', 'prefx: /'));
      await log.line(/prefx/);
      assert.equal((await get(url)).status, 200);
      await put(reverseProxy(upstream).replace('prefix: /', 'prefix: /only-here'));
      await until('the next change', async () => (await get(url)).status === 404);
    });
  });
}
