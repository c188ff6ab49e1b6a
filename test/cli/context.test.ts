import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeHome } from '../../cli/context.ts';
import { mesh, temporaryHome } from './mesh.ts';

const { home, remove } = temporaryHome();
after(remove);

test("a home is made with the folders above it, and is its owner's alone", async () => {
  const deep = join(home, 'a', 'b', 'c');
  assert.equal(await makeHome(deep), deep);
  assert.equal(await makeHome(deep), deep);
  assert.equal(statSync(deep).mode & 0o777, 0o700);
  mkdirSync(join(home, 'open'), { mode: 0o755 });
  assert.equal(statSync(await makeHome(join(home, 'open'))).mode & 0o777, 0o700);
});

test('a home that cannot be is one line, at once', async (t) => {
  const file = join(home, 'file');
  writeFileSync(file, '');
  const cases: [string, RegExp][] = [
    [file, /it is no folder; set MESH_HOME/],
    [join(file, 'below'), /what it is in is no folder/],
    [join(home, `${'x'.repeat(300)}`), /ENAMETOOLONG/],
  ];
  if (existsSync('/proc/self')) cases.push(['/proc/x', /no folder can be made there/], ['/proc/x/y', /no folder/]);
  else t.diagnostic('no /proc here: a home in it was not tried');
  for (const [wanted, why] of cases) {
    await assert.rejects(makeHome(wanted), { exitCode: 1, message: why });
  }
  const { code, err } = await mesh(['up', '--port', '0'], { home: file });
  assert.deepEqual([code, err.split('\n').length], [1, 2], err);
  assert.match(err, /^mesh: the home of this mesh, .*file, cannot be used: it is no folder/);
});
