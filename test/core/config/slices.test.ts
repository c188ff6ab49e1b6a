import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decodeFiles, decodeFilesInSlices } from '../../../core/config/decode.ts';

const KEYS = Array.from({ length: 200_000 }, (_, i) => `key${i}: v`).join('\n');

suite('a text that takes long to read', () => {
  for (const [what, text] of [
    ['200,000 keys', KEYS],
    ['800,000 comments', `${'# c\n'.repeat(800_000)}a: 1`],
    ['a list of 170,000', `a: [${'a, '.repeat(170_000)}]`],
  ]) {
    test(`for its ${what} is refused as soon as that is seen`, () => {
      const [problem, ...more] = decodeFiles([{ text, file: 'large.yaml' }]).problems;
      assert.deepEqual(more, []);
      assert.match(problem.message, /more than 250000 words and signs in one document/);
      assert.ok(problem.line !== undefined && problem.line >= 1);
    });
  }

  test('lets others have their turn meanwhile, and reads the same', async () => {
    const one = (n: number): string => `apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a${n}}\n---\n`;
    const files = [{ text: Array.from({ length: 3_000 }, (_, n) => one(n)).join('') }];
    let turns = 0;
    let reading = true;
    const count = (): void => {
      turns++;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    const { resources, problems } = await decodeFilesInSlices(files);
    reading = false;
    assert.ok(turns > 10, `${turns} turns`);
    const expected = decodeFiles(files);
    assert.deepEqual([resources, problems], [expected.resources, expected.problems]);
  });
});
