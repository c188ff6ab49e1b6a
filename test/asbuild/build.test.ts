import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { buildFilters } from '../../asbuild/build.ts';
import { compileFilter } from '../../asbuild/compile.ts';
import { loadBuiltins } from '../../asbuild/manifest.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-asbuild-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const out = join(folder, 'out');
const FILTERS = join(import.meta.dirname, '../../filters');

const written = (): number[] =>
  ['manifest.json', 'fault.wasm', 'rbac.wasm'].map((name) => statSync(join(out, name)).mtimeMs);

test('without a build the built-in filters are missing, and the message says what to do', () => {
  assert.throws(() => loadBuiltins(join(folder, 'nowhere')), /built-in filters are missing in .*: run `npm run build`/);
});

test('a build makes every built-in filter and a manifest that says what they are', async () => {
  const manifest = await buildFilters(out);
  const builtins = loadBuiltins(out);
  assert.deepEqual(
    builtins.map(({ name }) => name).sort(),
    readdirSync(FILTERS)
      .filter((name) => name !== 'sdk' && existsSync(join(FILTERS, name, 'index.ts')))
      .sort(),
  );
  for (const [i, { bytes, digest }] of builtins.entries()) {
    assert.ok(WebAssembly.validate(bytes));
    assert.equal(createHash('sha256').update(bytes).digest('hex'), digest);
    assert.equal(manifest.filters[i].bytes, bytes.length);
  }
});

test('a second build finds nothing to do', async () => {
  const before = written();
  const manifest = await buildFilters(out);
  assert.deepEqual(written(), before);
  assert.deepEqual(manifest, JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')));
});

test('a module that was damaged, or a manifest of other sources, is built again', async () => {
  truncateSync(join(out, 'rbac.wasm'), 10);
  await buildFilters(out);
  assert.ok(WebAssembly.validate(readFileSync(join(out, 'rbac.wasm'))));
  const manifest = readFileSync(join(out, 'manifest.json'), 'utf8');
  writeFileSync(join(out, 'manifest.json'), manifest.replace(/"source": "./, '"source": "-'));
  await buildFilters(out);
  assert.equal(readFileSync(join(out, 'manifest.json'), 'utf8'), manifest);
});

test('the same sources make the same bytes', async () => {
  const entry = join(import.meta.dirname, '../../filters/fault/index.ts');
  const bytes = await compileFilter({ name: 'fault', entry, runtime: 'stub' });
  assert.ok(Buffer.from(bytes).equals(loadBuiltins(out)[0].bytes));
});

test('a filter that does not compile is told with file and place', async () => {
  const entry = join(folder, 'broken.ts');
  writeFileSync(entry, 'const a: i32 = 1;\nexport const b = a + undefinedName;\n');
  await assert.rejects(
    compileFilter({ name: 'broken', entry, runtime: 'stub' }),
    /broken: ERROR TS2304: Cannot find name 'undefinedName'[\s\S]*broken\.ts\(2,22\)/,
  );
});
