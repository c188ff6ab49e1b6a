import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BodyBuffer } from '../../../../core/exchange/body-buffer.ts';
import { Head } from '../../../../core/http/head.ts';
import { Calls } from '../calls.ts';
import { guest } from '../guests.ts';
import { TestStream } from '../harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;

function opened(capabilities: readonly string[] | null): Calls {
  const stream = new TestStream(Head.request('GET', 'a', '/', [['x-a', '1']]));
  const body = new BodyBuffer();
  body.append(Buffer.from('secret'));
  stream.bodies.request = body;
  return new Calls(guest(), stream, { capabilities });
}

const readHeader = (calls: Calls) => calls.env('proxy_get_header_map_value', 0, ...calls.put('x-a'), ...calls.out);
const writeHeader = (calls: Calls) =>
  calls.env('proxy_replace_header_map_value', 0, ...calls.put('x-a'), ...calls.put('2'));
const readBody = (calls: Calls) => calls.env('proxy_get_buffer_bytes', 0, 0, 100, ...calls.out);
const writeBody = (calls: Calls) => calls.env('proxy_set_buffer_bytes', 0, 0, 100, ...calls.put('x'));

test('whatever the callback, a guest reads and changes what was agreed to, and nothing else', () => {
  for (const [capabilities, expected] of [
    [null, [OK, OK, OK, OK]],
    [[], [NOT_FOUND, BAD_ARGUMENT, NOT_FOUND, NOT_FOUND]],
    [['read_headers'], [OK, BAD_ARGUMENT, NOT_FOUND, NOT_FOUND]],
    [['change_headers'], [NOT_FOUND, OK, NOT_FOUND, NOT_FOUND]],
    [['read_bodies'], [NOT_FOUND, BAD_ARGUMENT, OK, BAD_ARGUMENT]],
    [
      ['read_bodies', 'change_bodies'],
      [NOT_FOUND, BAD_ARGUMENT, OK, OK],
    ],
    [
      ['read_data', 'change_data'],
      [NOT_FOUND, BAD_ARGUMENT, NOT_FOUND, NOT_FOUND],
    ],
  ] as const) {
    const calls = opened(capabilities);
    const found = [readHeader(calls), writeHeader(calls), readBody(calls), writeBody(calls)];
    assert.deepEqual(found, expected, JSON.stringify(capabilities));
  }
});

test('what is no message needs no agreement: configurations are buffers, too', () => {
  const calls = opened([]);
  assert.equal(calls.env('proxy_get_buffer_bytes', 7, 0, 100, ...calls.out), OK);
});
