// Several JSON documents in one text, as generators and `kubectl` write them one after the other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeYaml, formatProblem } from '../../../core/config/decode.ts';

const account = (name: string, more = ''): string =>
  `{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "${name}"}${more}}`;

function decoded(text: string): { names: string[]; lines: string[] } {
  const { resources, problems } = decodeYaml(text, 'a.json');
  return { names: resources.map(({ metadata }) => metadata.name), lines: problems.map(formatProblem) };
}

test('JSON documents that follow each other are documents, on one line or many', () => {
  const strange = account('c', ', "status": {"x": "}{ \\" ]"}');
  for (const between of ['\n', '', '  ', '\r\n\n', '\n---\n']) {
    const text = [
      '\ufeff',
      account('a'),
      between,
      JSON.stringify(JSON.parse(account('b')), null, 2),
      between,
      strange,
    ].join('');
    assert.deepEqual(decoded(`${text}\n`), { names: ['a', 'b', 'c'], lines: [] }, JSON.stringify(between));
  }
  assert.deepEqual(
    decoded(`${account('a')}\n${account('b')}\n---\n${account('c')}\n${account('d')}`).names.join(''),
    'abcd',
  );
});

test('a document of YAML may follow', () => {
  const yaml = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: c}\n';
  assert.deepEqual(decoded(`${account('a')}${account('b')}\n---\n${yaml}`), { names: ['a', 'b', 'c'], lines: [] });
});

test('what is wrong in one of them has its place in the whole text', () => {
  const second = `${account('b')} ${account('c', ', "spex": 1')}`;
  const column = second.indexOf('"spex"') + 1;
  assert.deepEqual(decoded(`${account('a')} # first\n${second}\n${account('a')}\n`), {
    names: ['a', 'b'],
    lines: [
      `a.json:2:${column}: error: unknown field "spex", did you mean "spec"? (/spex)`,
      'a.json:3:1: error: ServiceAccount/default/a is defined twice, first at a.json:1',
    ],
  });
});

test('a key that comes twice is told in the document that has it, and the others stand', () => {
  const twice = '{"apiVersion": "v1",\n "apiVersion": "v1"}';
  assert.deepEqual(decoded(`${account('a')}\n${twice}\n${account('b')}`), {
    names: ['a', 'b'],
    lines: ['a.json:3:2: error: the key "apiVersion" comes twice (/apiVersion)'],
  });
});

test('what is no JSON after JSON is told in one line with what to do', () => {
  for (const rest of ['{"apiVersion": "v1"', '}', ', {}', 'null', '"text"', '{"a" 1}', '{a: 1, a: }']) {
    const { names, lines } = decoded(`${account('a')}\n${account('b')}\n${rest}\n${account('c')}`);
    assert.deepEqual(names, ['a', 'b'], rest);
    assert.equal(lines.length, 1, rest);
    assert.match(lines[0], /^a\.json:3:\d+: error: .*JSON/, rest);
  }
});
