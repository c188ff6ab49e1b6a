// Numbers that TypeScript and AssemblyScript both need are in layouts that both read, and can be no other numbers on either side.
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { FRAME_VERSION, NAMES, ROOM, SLOTS, VALUE, VALUES } from '../../filters/sdk/layout.ts';
import { readTree, type Tree } from '../../scripts/shape/imports.ts';

const LAYOUT = /^(core\/builtins|filters)\/[\w-]+\/layout\.ts$/;

let sources: Tree['sources'];
/** Who imports each layout. */
const readers = new Map<string, string[]>();

suite('a layout that both compilers read', () => {
  before(async () => {
    const tree = await readTree();
    sources = tree.sources;
    for (const path of sources.keys()) {
      if (!LAYOUT.test(path)) continue;
      const edges = tree.imports.filter(({ to }) => to === path || `${to}.ts` === path);
      readers.set(
        path,
        edges.map(({ from }) => from),
      );
    }
    assert.ok(readers.size > 5, 'layouts were found');
  });

  test('is read by the filter as well as by who is at the other end', () => {
    for (const [layout, files] of readers) {
      for (const side of ['core/', 'filters/']) {
        assert.ok(
          files.some((file) => file.startsWith(side)),
          `nothing in ${side} reads ${layout}`,
        );
      }
    }
  });

  test('is the only place of its numbers', () => {
    for (const [layout, files] of readers) {
      const names = [...sources.get(layout)!.matchAll(/^export const (\w+)/gm)].map(([, name]) => name);
      for (const file of files) {
        const declared = [...sources.get(file)!.matchAll(/\bconst (\w+)\b(?!\s*=\s*bytes)/g)].map(([, name]) => name);
        const twice = declared.filter((name) => names.includes(name));
        assert.deepEqual(twice, [], `${file} and ${layout}`);
      }
    }
  });

  test('has the version of what it lays out, which stands nowhere else', () => {
    const wrong = [...sources].filter(
      ([path, text]) =>
        /^(core\/builtins|filters)\//.test(path) && !LAYOUT.test(path) && /\bVERSION\b.*=\s*\d/.test(text),
    );
    assert.deepEqual(
      wrong.map(([path]) => path),
      [],
    );
  });

  test('names the export by which a host finds the frame, and leaves no gap in it', () => {
    const callback = sources.get('filters/sdk/callbacks/frame.ts')!;
    assert.match(callback, new RegExp(`export const weft_frame_${FRAME_VERSION}: usize`));
    assert.deepEqual([VALUES, ROOM], [NAMES + SLOTS * 8, VALUES + SLOTS * VALUE]);
  });
});
