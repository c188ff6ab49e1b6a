import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { FieldName, Head } from '../../../core/http/head.ts';
import { fixtureFilter } from '../../filters/fixture.ts';
import { plain, runtimeFor, specFor, TestStream } from './harness.ts';

const FOUND = new FieldName('x-found');
const spec = specFor(await fixtureFilter('fixtures/json.ts'), {
  builtin: plain(Buffer.alloc(0)),
});
const { runtime } = runtimeFor();

/** What the filter found in the text. Throws what it refuses it for. */
function found(text: string | Buffer): string {
  const factory = runtime.configure({ ...spec, configuration: Buffer.from(text) });
  const stream = new TestStream(Head.request('GET', 'a', '/'));
  const filter = factory.open(stream, null);
  filter.head('request', stream.requestHead, true);
  filter.done();
  runtime.retire(factory);
  return Buffer.from(stream.requestHead.get(FOUND) ?? '', 'latin1').toString();
}

/** As the fixture writes a value, from what JSON.parse makes of it. */
function described(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return `s:${value}`;
  if (typeof value === 'number') {
    const whole = Number.isInteger(value) ? String(value) : '-7';
    return `${whole}/${Number.isInteger(value) ? `${value}.0` : value}`;
  }
  const kind = Array.isArray(value) ? 'array' : 'object';
  const items = Object.entries(value as object).map(
    ([name, item]) => ` ${kind === 'array' ? '' : name}=${described(item)}`,
  );
  return items.length === 0 ? kind : `${kind}#${items.length}${items.join('')}`;
}

describe('JSON in a filter', () => {
  const texts = [
    'null',
    ' true\n',
    'false',
    '0',
    '-0.5',
    '12.75',
    '9007199254740991',
    '""',
    '"grün €"',
    '{}',
    '[ ]',
    '[1,[2,[3]],{"a":{"b":[]}}]',
    '{"limits":{"requests":10,"unit":"minute"},"paths":["/a","/b"],"shadow":true,"none":null}',
    '"quote \\" backslash \\\\ slash \\/ tab \\t \\u0041\\u00fc\\u20ac\\ud83d\\ude00"',
  ];
  for (const text of texts) {
    test(`reads ${JSON.stringify(text)} as JSON.parse does`, () => {
      assert.equal(found(text), described(JSON.parse(text)));
    });
  }

  test('reads numbers of every form', () => {
    assert.equal(found('1e3'), '-7/1000.0');
    assert.equal(found('12.5E-1'), '-7/1.25');
    assert.equal(found('1e-7'), '-7/1e-7');
    assert.equal(found('123456.789'), '-7/123456.789');
    assert.match(found('-9223372036854775807'), /^-9223372036854775807\//);
    assert.match(found('9223372036854775808'), /^-7\//);
  });

  for (const [text, problem] of [
    ['', 'a value is expected at line 1, column 1'],
    ['{"a": tru}', 'a value is expected at line 1, column 7'],
    ['{\n  "a": 1\n  "b": 2\n}', "',' or '}' is expected at line 3, column 3"],
    ['[1, 2', "',' or ']' is expected at line 1, column 6"],
    ['[1,]', 'a value is expected at line 1, column 4'],
    ['{"a" 1}', "':' is expected at line 1, column 6"],
    ['{a: 1}', 'a name in quotes is expected at line 1, column 2'],
    ['{} x', 'nothing may follow the value at line 1, column 4'],
    ['01', 'a number is not written like one at line 1, column 3'],
    ['1.', 'a number is not written like one at line 1, column 3'],
    ['-', 'a number is not written like one at line 1, column 2'],
    ['"abc', 'a string has no end at line 1, column 5'],
    ['"abc\\', 'a string has no end at line 1, column 6'],
    ['"a\nb"', 'a string has a control character at line 1, column 3'],
    ['"\\x"', 'a string has an unknown escape at line 1, column 3'],
    ['"\\u12g4"', '\\u needs four hexadecimal digits at line 1, column 6'],
    ['"\\ud83d"', 'a string has half a surrogate pair at line 1, column 8'],
    [`${'['.repeat(100)}`, 'it is deeper than 64 at line 1, column 65'],
    [`[${'1,'.repeat(70_000)}1]`, 'there are more than 65536 values at line 1, column 131072'],
    [`"${'x'.repeat(1 << 20)}"`, 'it is longer than 1 MiB at line 1, column 1'],
  ] as const) {
    test(`refuses ${JSON.stringify(text.slice(0, 24))}: ${problem}`, () => {
      assert.throws(
        () => found(text),
        ({ message }: Error) => message.endsWith(`: ${problem}`),
      );
    });
  }
});
