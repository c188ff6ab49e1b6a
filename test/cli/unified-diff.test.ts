import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unifiedDiff } from '../../cli/unified-diff.ts';

const NAMES = ['a/x', 'b/x'] as const;

test('what changed is told with three lines around it, neighbours in one hunk', () => {
  const lines = Array.from({ length: 30 }, (_, at) => `line ${at + 1}`);
  const changed = lines.with(4, 'five').with(8, 'nine').toSpliced(25, 1);
  assert.deepEqual(unifiedDiff(NAMES, `${lines.join('\n')}\n`, `${changed.join('\n')}\n`), [
    '--- a/x',
    '+++ b/x',
    '@@ -2,11 +2,11 @@',
    ...[' line 2', ' line 3', ' line 4', '-line 5', '+five', ' line 6', ' line 7', ' line 8', '-line 9', '+nine'],
    ...[' line 10', ' line 11', ' line 12'],
    '@@ -23,7 +23,6 @@',
    ...[' line 23', ' line 24', ' line 25', '-line 26', ' line 27', ' line 28', ' line 29'],
  ]);
});

test('a text that is new or gone has no lines on the other side', () => {
  assert.deepEqual(unifiedDiff(['/dev/null', 'b/x'], '', 'a\nb\n'), [
    '--- /dev/null',
    '+++ b/x',
    '@@ -0,0 +1,2 @@',
    '+a',
    '+b',
  ]);
  assert.deepEqual(unifiedDiff(['a/x', '/dev/null'], 'a\n', ''), ['--- a/x', '+++ /dev/null', '@@ -1,1 +0,0 @@', '-a']);
});

test('the end of the last line makes no difference, an empty line at the end does', () => {
  assert.deepEqual(unifiedDiff(NAMES, 'a\nb', 'a\nb\n'), []);
  assert.deepEqual(unifiedDiff(NAMES, 'a', 'b').slice(3), ['-a', '+b']);
  assert.deepEqual(unifiedDiff(NAMES, 'a\n', 'a\n\n').slice(3), [' a', '+']);
  assert.deepEqual(unifiedDiff(NAMES, 'a\n\n', 'b\n\n').slice(3), ['-a', '+b', ' ']);
});

test('texts with nothing in common are told as replaced, without long search', () => {
  const text = (name: string) => Array.from({ length: 20_000 }, (_, at) => `${name} ${at}\n`).join('');
  const diff = unifiedDiff(NAMES, text('old'), text('new'));
  assert.equal(diff[2], '@@ -1,20000 +1,20000 @@');
  assert.deepEqual([diff[3], diff.at(-1), diff.length], ['-old 0', '+new 19999', 40_003]);
});
