import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { versionSaid } from '../../bench/peers/envoy.ts';
import { ROOT } from '../../scripts/shape/imports.ts';

const ENTRIES = [
  'scripts/bootstrap.mjs',
  'scripts/build.ts',
  'scripts/check.ts',
  'scripts/tables.ts',
  'scripts/test.ts',
  'examples/bookinfo/demo.ts',
  'bench/run.ts',
  'bench/soak/swap.ts',
  'bench/conformance/run.ts',
  'bench/micro/run.ts',
  'bench/micro/isolation.ts',
  'test/fuzz/http1.ts',
  'test/fuzz/expression.ts',
];

suite('--help of what people run from the source', () => {
  for (const entry of ENTRIES) {
    test(`${entry} says what it takes, and does nothing`, async () => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [entry, '--help'], {
        cwd: ROOT,
        env: { ...process.env, NODE_TEST_CONTEXT: undefined },
        timeout: 60_000,
      });
      const said = stdout + stderr;
      assert.match(said, /^(?:usage: |demo: usage: |weft: )(?:npm run|npm test|node) /, said);
      assert.ok(said.split('\n').length < 12, said);
      assert.ok(!existsSync(join(ROOT, '--help')));
    });
  }

  test("the version of a benchmark's Envoy is not that of the Python beside it", () => {
    const said = '/opt/python/3.11.7/bin/envoy  version: d0fcd2b/1.40.0/Clean/RELEASE/BoringSSL';
    assert.equal(versionSaid(said), '1.40.0');
    assert.equal(versionSaid('envoy  version: a1/1.41.0-dev-b2/Modified/DEBUG'), '1.41.0-dev-b2');
    assert.equal(versionSaid('no such program'), 'unknown');
  });
});
