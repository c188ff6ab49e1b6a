import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTree } from '../../../scripts/shape/imports.ts';
import { filesOfOneGet } from '../../../scripts/shape/request-files.ts';

/** What somebody reads who wants to know all that happens to a request. */
const MOST_FILES = 41;

test('one GET with one filter goes the way that core/proxy.ts tells, and through few files', async () => {
  const entered = (await filesOfOneGet(await readTree())).map(({ path }) => path);
  const way = [
    'core/transport/listener.ts',
    'core/http1/server.ts',
    'core/proxy.ts',
    'core/exchange/identify.ts',
    'core/router/route-index.ts',
    'core/exchange/filter-manager.ts',
    'core/wasm/guest/stream.ts',
    'core/exchange/attempt.ts',
    'core/cluster/cluster.ts',
    'core/cluster/pool.ts',
    'core/http1/client.ts',
  ];
  assert.deepEqual(
    way.filter((path) => !entered.includes(path)),
    [],
  );
  for (const path of ['core/shard/data-plane.ts', 'core/builtins/retry/verdict.ts', 'core/exchange/local-reply.ts']) {
    assert.ok(!entered.includes(path), `${path} is no part of it`);
  }
  assert.ok(entered.length <= MOST_FILES, entered.join('\n'));
});
