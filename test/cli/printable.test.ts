import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { note, paint, print, printJson } from '../../cli/output.ts';
import { printable } from '../../cli/printable.ts';

test('what would act upon a terminal is written out', () => {
  assert.equal(
    printable('\x1b[2J\x1b]0;owned\x07\r\x9b1A\x7f\b'),
    '\\u001b[2J\\u001b]0;owned\\u0007\\u000d\\u009b1A\\u007f\\u0008',
  );
  assert.equal(printable('abc\u202egnp.exe\u2066'), 'abc\\u202egnp.exe\\u2066');
  for (const plain of ['', 'two\tcolumns\nand lines', 'Grüße, 世界 👋', 'עברית']) assert.equal(printable(plain), plain);
});

test('everything that is printed goes that way, and keeps our colours', (t) => {
  const written: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    t.mock.method(stream, 'write', (text: string) => written.push(text) > 0);
  }
  const red = `\x1b[31m${'bad\x1b[1A'}\x1b[39m`;
  print('0.1.0\x1b[8m');
  note(`mesh: ${red}`);
  printJson({ version: '\x9b8m' });
  const own = paint('red', 'plain', process.stdout);
  print(own);
  t.mock.restoreAll();
  assert.deepEqual(written, [
    '0.1.0\\u001b[8m\n',
    'mesh: \x1b[31mbad\\u001b[1A\x1b[39m\n',
    '{\n  "version": "\\u009b8m"\n}\n',
    `${own}\n`,
  ]);
});

/** The only ones that write to a terminal themselves: what prints, a line that comes before anything is loaded, the proxy's log. */
const WRITERS = ['cli/mesh.ts', 'cli/output.ts', 'core/main/log.ts'];

test('nothing else writes to a terminal', () => {
  const root = join(import.meta.dirname, '../..');
  const files = ['cli', 'control', 'plugins', 'bus', 'core'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  );
  const writing = files
    .filter((file) => file.endsWith('.ts'))
    .filter((file) => /\bconsole\.\w|process\.std(out|err)\.write/.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(writing.sort(), WRITERS);
});
