import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, suite, test } from 'node:test';

import { buildFilters, MODULES } from '../../asbuild/build.ts';
import { compileFilter } from '../../asbuild/compile.ts';
import { CompileError } from '../../asbuild/compiler.ts';
import { loadBuiltins, type Manifest } from '../../asbuild/manifest.ts';
import { ORDER } from '../../core/builtins/order.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-asbuild-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const out = join(folder, 'out');
const FILTERS = join(import.meta.dirname, '../../filters');
const VARIANTS = ORDER.flatMap(({ name, variants = [] }) => variants.map((variant) => `${name}-${variant}`));

/** All of them are what every run of the tests builds before it begins; to try how, two are enough. */
const FEW = MODULES.filter(({ name }) => name === 'fault' || name === 'rbac');

const written = (): number[] =>
  ['manifest.json', 'fault.wasm', 'rbac.wasm'].map((name) => statSync(join(out, name)).mtimeMs);

test('without a build the built-in filters are missing, and the message says what to do', () => {
  assert.throws(() => loadBuiltins(join(folder, 'nowhere')), /built-in filters are missing in .*: run `npm run build`/);
});

test('a build makes every built-in filter', async () => {
  const manifest = await buildFilters();
  assert.deepEqual(
    manifest.filters.map(({ name }) => name).sort(),
    [
      ...readdirSync(FILTERS).filter((name) => name !== 'sdk' && existsSync(join(FILTERS, name, 'index.ts'))),
      ...VARIANTS,
    ].sort(),
  );
  assertBuilt(manifest, loadBuiltins());
});

test('a build writes a manifest that says what it made, also in place of older ones', async () => {
  const older = { source: 'of yesterday', filters: [{ name: 'fault', digest: '', bytes: 4 }] };
  mkdirSync(out);
  writeFileSync(join(out, 'fault.wasm'), 'old!');
  writeFileSync(join(out, 'manifest.json'), JSON.stringify(older));
  const manifest = await buildFilters(out, FEW);
  assert.deepEqual(
    manifest.filters.map(({ name }) => name),
    FEW.map(({ name }) => name),
  );
  assertBuilt(manifest, loadBuiltins(out));
});

test('a second build finds nothing to do', async () => {
  const before = written();
  const manifest = await buildFilters(out, FEW);
  assert.deepEqual(written(), before);
  assert.deepEqual(manifest, JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')));
});

test('a module that was damaged is built again, and no other', async () => {
  const [, fault] = written();
  const manifest = readFileSync(join(out, 'manifest.json'), 'utf8');
  truncateSync(join(out, 'rbac.wasm'), 10);
  await buildFilters(out, FEW);
  assert.ok(WebAssembly.validate(readFileSync(join(out, 'rbac.wasm'))));
  assert.equal(readFileSync(join(out, 'manifest.json'), 'utf8'), manifest);
  assert.equal(written()[1], fault);
});

test('the same sources make the same bytes', async () => {
  const entry = join(import.meta.dirname, '../../filters/fault/index.ts');
  const bytes = await compileFilter({ name: 'fault', entry, runtime: 'stub' });
  assert.ok(loadBuiltins(out).some((built) => built.name === 'fault' && Buffer.from(bytes).equals(built.bytes)));
});

test('a filter that does not compile is told with file, line and column of each problem', async () => {
  const entry = join(folder, 'broken.ts');
  writeFileSync(entry, 'const a: i32 = 1;\nexport const b = a + undefinedName;\nexport const c: Strin = 1;\n');
  await assert.rejects(compileFilter({ entry }), (error) => {
    assert.ok(error instanceof CompileError);
    assert.deepEqual(
      error.problems.map(({ file, line, column }) => [basename(file), line, column]),
      [
        ['broken.ts', 2, 22],
        ['broken.ts', 3, 17],
      ],
    );
    assert.match(
      error.message,
      /^\S*broken\.ts:2:22 Cannot find name 'undefinedName'\. \(TS2304\)\n\S*broken\.ts:3:17 /,
    );
    return true;
  });
  await assert.rejects(compileFilter({ entry: join(folder, 'absent.ts') }), /there is no file .*absent\.ts/);
});

suite('a filter in a folder of its own', () => {
  const own = join(folder, 'own');
  const entry = join(own, 'src', 'index.ts');
  mkdirSync(join(own, 'src'), { recursive: true });
  writeFileSync(
    entry,
    `import { register } from '@weft-mesh/weft/sdk';\nimport { Mark } from './mark';\nregister(() => new Mark());\n`,
  );
  writeFileSync(
    join(own, 'src', 'mark.ts'),
    `import { Action, bytes, Head, HttpFilter } from '@weft-mesh/weft/sdk';
const NAME = bytes('x-mark');
export class Mark extends HttpFilter {
  public onResponseHeaders(head: Head): Action {
    head.add(NAME, NAME);
    return Action.Continue;
  }
}
`,
  );

  test('imports the SDK by its name, and exports the callbacks of all its files', async () => {
    const wasm = await compileFilter({ entry, runtime: 'stub' });
    const names = WebAssembly.Module.exports(new WebAssembly.Module(Buffer.from(wasm))).map(({ name }) => name);
    assert.ok(names.includes('proxy_on_response_headers'));
    assert.ok(!names.includes('proxy_on_request_headers'));
    assert.ok(wasm.length < 3 * 1024, `${wasm.length} bytes`);
  });

  test('exports a callback also where all of it stands in one line', async () => {
    const line = join(own, 'src', 'line.ts');
    writeFileSync(
      line,
      `import { Action, Head, HttpFilter, register } from '@weft-mesh/weft/sdk';
class Line extends HttpFilter { onRequestHeaders(head: Head): Action { return Action.Continue; } onLog(): void {} }
register(() => new Line());
`,
    );
    const wasm = await compileFilter({ entry: line, runtime: 'stub' });
    const names = WebAssembly.Module.exports(new WebAssembly.Module(Buffer.from(wasm))).map(({ name }) => name);
    assert.ok(names.includes('proxy_on_request_headers') && names.includes('proxy_on_log'), names.join());
  });

  test('is written with a source map that knows its files, and with names when it is to be debugged', async () => {
    const to = join(own, 'plugin.wasm');
    const wasm = await compileFilter({ entry, out: to, mode: 'debug', sourceMap: true });
    assert.deepEqual(Buffer.from(wasm), readFileSync(to));
    const { sources } = JSON.parse(readFileSync(`${to}.map`, 'utf8')) as { sources: string[] };
    assert.ok(sources.includes('mark.ts') && sources.includes('~lib/@weft-mesh/weft/sdk/head.ts'), sources.join());
    assert.match(Buffer.from(wasm).toString('latin1'), /plugin\.wasm\.map/);
    assert.equal(WebAssembly.Module.customSections(new WebAssembly.Module(Buffer.from(wasm)), 'name').length, 1);
  });
});

function assertBuilt({ filters }: Manifest, built: ReturnType<typeof loadBuiltins>): void {
  assert.equal(built.length, filters.length);
  for (const [i, { name, bytes, digest }] of built.entries()) {
    assert.ok(WebAssembly.validate(bytes), name);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), digest, name);
    assert.equal(filters[i].bytes, bytes.length, name);
  }
}
