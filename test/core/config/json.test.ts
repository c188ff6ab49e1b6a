// JSON is read by another parser than YAML, which must not be seen: values, problems and their places are the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { parseDocuments } from '../../../core/config/documents.ts';
import { readJson } from '../../../core/config/json.ts';

const LIMITS = { depth: 64, values: 1_000_000 };

test('what is JSON has the value that the YAML parser reads from it', () => {
  const text = String.raw`{"a": [1, -2.5, 1e3, true, null, "x: \"y\" \\ \u00e9 \/"], "b": {"c:": {}, "d": []}, "__proto__": {"e": 1}}`;
  const value = readJson(text, LIMITS);
  assert.notEqual(value, null);
  // A comment makes YAML of it.
  assert.deepEqual(value, parseDocuments(`${text} # `).documents[0].value);
});

test('what is no JSON, has a key twice or is over a limit is left to the YAML parser', () => {
  assert.equal(readJson('a: 1', LIMITS), null);
  assert.equal(readJson('{a: 1}', LIMITS), null);
  assert.equal(readJson('{"a": 1}\n---\n{"a": 2}', LIMITS), null);
  assert.equal(readJson('{"a": 1, "b": {"c": 1, "c": 2}}', LIMITS), null);
  assert.equal(readJson('[[[1]]]', { depth: 2, values: 10 }), null);
  assert.equal(readJson('[1, 2, 3]', { depth: 2, values: 3 }), null);
  const { documents, problems } = parseDocuments('{"a": 1,\n "a": 2}', 'a.json');
  assert.equal(documents.length, 0);
  assert.deepEqual(
    problems.map(({ code, file, line, column }) => [code, file, line, column]),
    [['duplicate', 'a.json', 2, 2]],
  );
});

test('a problem in a list of JSON has its place', () => {
  const item = (name: string, field: string) =>
    `{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "${name}"},\n "spec": {"hosts": ["a"], ${field}}}`;
  const http = '"http": [{"route": [{"destination": {"host": "a"}}]}]';
  const text = `{"apiVersion": "v1", "kind": "List", "items": [\n${item('one', http)},\n${item('one', http)},\n${item('two', '"htp": []')}\n]}`;
  const { problems } = decodeYaml(text, 'a.json');
  assert.deepEqual(
    problems.map(({ code, file, line }) => [code, file, line]),
    [
      ['duplicate', 'a.json', 4],
      ['field_unknown', 'a.json', 7],
    ],
  );
  assert.match(problems[0].message, /first at a\.json:2/);
});
