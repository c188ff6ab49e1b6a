import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { findLocal } from '../../../plugins/source/local.ts';
import { denying } from '../wat.ts';

const folder = mkdtempSync(join(tmpdir(), 'mesh-stale-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const BUILT = new Date('2026-01-01T12:00:00Z');
const BEFORE = new Date('2026-01-01T11:00:00Z');
const LATER = new Date('2026-01-01T12:00:01Z');

function write(path: string, content: string | Uint8Array, at: Date): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
  utimesSync(join(folder, path), at, at);
}

test('a folder whose source was edited after its module was built is refused, and told what to do', async () => {
  write(
    'package.json',
    JSON.stringify({ name: 'p', version: '1.0.0', mesh: { plugin: { wasm: 'build/p.wasm' } } }),
    LATER,
  );
  write('build/p.wasm', denying(), BUILT);
  write('README.md', 'text', LATER);
  write('filter.test.ts', '', LATER);
  write('node_modules/x/index.ts', '', LATER);
  for (const source of ['filter.ts', 'assembly/parts/one.ts', 'src/lib.rs', 'Cargo.toml', 'main.go']) {
    write(source, '', LATER);
    await assert.rejects(findLocal(folder), {
      step: 'check',
      fault: 'refused',
      message: `${folder}: ${source} was edited after build/p.wasm was built from it: build it first (mesh plugin build ${folder})`,
    });
    write(source, '', BEFORE);
    assert.equal((await findLocal(folder)).plugin.name, 'p', source);
  }
});
