import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { circles, longestChain } from '../../../scripts/shape/graph.ts';

suite('what imports amount to', () => {
  test('files that lead to each other are a circle, however long the way; what hangs on it is not', () => {
    const edges = edgesOf('top>a a>b b>c c>a c>leaf x>y y>x alone>leaf');
    assert.deepEqual(circles(edges), [
      ['a', 'b', 'c'],
      ['x', 'y'],
    ]);
  });

  test('two ways to the same file are no circle', () => {
    assert.deepEqual(circles(edgesOf('a>b a>c b>d c>d')), []);
  });

  test('the longest chain is the longest way down, not the first one found', () => {
    assert.deepEqual(longestChain(edgesOf('a>d a>b b>c c>d z>c')), ['a', 'b', 'c', 'd']);
  });

  test('a circle on the way counts as one file', () => {
    assert.equal(longestChain(edgesOf('top>a a>b b>a b>leaf')).length, 3);
  });
});

function edgesOf(text: string): { from: string; to: string }[] {
  return text.split(' ').map((edge) => {
    const [from, to] = edge.split('>');
    return { from, to };
  });
}
