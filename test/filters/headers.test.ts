import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../core/builtins/builtin.ts';
import { headers as room } from '../../core/builtins/headers/headers.ts';
import { Head } from '../../core/http/head.ts';
import { plain, TestStream } from '../core/wasm/harness.ts';
import { builtin, builtinRuntime } from './builtin.ts';

const headers = await builtin('headers');

type Fields = readonly (readonly [string, string])[];

/** The fields of a request and of its response behind the filter. */
function pass(
  config: JsonObject,
  request: Fields = [],
  response: Fields = [],
): { request: string[]; response: string[] } {
  const { runtime } = builtinRuntime();
  const stream = new TestStream(Head.request('GET', 'reviews', '/', request));
  const filter = headers(runtime, room.inserted.configure(config)).open(stream, null);
  assert.equal(filter.head('request', stream.requestHead, true), 'continue');
  stream.responseHead = Head.response(200, response);
  assert.equal(filter.head('response', stream.responseHead, true), 'continue');
  filter.done();
  return { request: fieldsOf(stream.requestHead), response: fieldsOf(stream.responseHead) };
}

function fieldsOf(head: Head): string[] {
  return Array.from({ length: head.size }, (_, i) => `${head.nameAt(i)}: ${head.valueAt(i)}`).filter(
    (field) => !field.startsWith(': '),
  );
}

test('headers of requests and responses are removed, set and added, in this order', () => {
  const changes = { remove: ['X-Old'], set: { 'x-team': 'blue' }, add: { 'x-old': 'new', 'x-seen': 'here' } };
  const fields = [
    ['x-old', '1'],
    ['X-Old', '2'],
    ['x-team', 'red'],
    ['X-Team', 'green'],
    ['x-seen', 'there'],
  ] as const;
  const expected = ['x-seen: there', 'x-team: blue', 'x-old: new', 'x-seen: here'];
  assert.deepEqual(pass({ request: changes }, fields, fields).request, expected);
  assert.deepEqual(pass({ response: changes }, fields, fields).response, expected);
});

test('one direction leaves the other as it is', () => {
  const both = pass({ response: { set: { a: '1' } } }, [['a', '0']], [['b', '0']]);
  assert.deepEqual(both, { request: ['a: 0'], response: ['b: 0', 'a: 1'] });
  assert.deepEqual(pass({}, [['a', '0']]).request, ['a: 0']);
});

test('names of any case are the same name', () => {
  assert.deepEqual(pass({ request: { set: { 'X-Team': 'blue' } } }, [['x-tEAM', 'red']]).request, ['x-team: blue']);
});

test('a wrong shape is refused in one line that says where', () => {
  const refused = (config: JsonObject): string => {
    try {
      room.inserted.configure(config);
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };
  const cases: [JsonObject, RegExp][] = [
    [{ requests: {} }, /^\/requests: .*unknown field/],
    [{ request: { set: { 'a b': '1' } } }, /^\/request\/set\/a b: .*no header name/],
    [{ request: { set: { a: 1 } } }, /^\/request\/set\/a: /],
    [{ response: { add: { a: 'x\ny' } } }, /^\/response\/add\/a: .*control characters/],
    [{ response: { remove: 'a' } }, /^\/response\/remove: /],
    [{ request: { remove: [':path'] } }, /^\/request\/remove\/0: .*no header name/],
    [{ request: { set: { 'Content-Length': '5' } } }, /^\/request\/set\/Content-Length: .*the proxy writes it/],
    [{ request: { remove: ['transfer-encoding'] } }, /^\/request\/remove\/0: .*the proxy writes it/],
  ];
  for (const [config, message] of cases) {
    const told = refused(config);
    assert.match(told, message);
    assert.doesNotMatch(told, /\n/);
  }
});

test('a configuration of another version is refused', () => {
  const { runtime, lines } = builtinRuntime();
  assert.throws(() => headers(runtime, plain(Buffer.alloc(64))), /another version/);
  assert.ok(lines.length > 0);
});
