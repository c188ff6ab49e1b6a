import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { compileFilter } from '../../../asbuild/compile.ts';
import { FieldName, Head } from '../../../core/head.ts';
import { runtimeFor, specFor, TestStream } from './harness.ts';

const EXAMPLE = join(import.meta.dirname, '../../../filters/sdk/example/index.ts');
const AGENT = new FieldName('x-agent');
const SERVED = new FieldName('x-served-by');

const stub = await compileFilter({ name: 'add-header', entry: EXAMPLE, runtime: 'stub' });

test('a filter of the SDK reads a request header, sets another, and marks the response', () => {
  const { runtime } = runtimeFor();
  const factory = runtime.configure(specFor(stub));
  assert.deepEqual(factory.wants, { requestHead: true, requestBody: false, responseHead: true, responseBody: false });
  const head = Head.request('GET', 'reviews', '/', [['User-Agent', 'curl/8']]);
  const stream = new TestStream(head);
  const filter = factory.open(stream, null);
  assert.equal(filter.requestHead(head, true), 'continue');
  assert.equal(head.get(AGENT), 'curl/8');
  stream.responseHead = Head.response(200);
  assert.equal(filter.responseHead(stream.responseHead, true), 'continue');
  assert.equal(stream.responseHead.get(SERVED), 'weft');
  filter.done();
  runtime.stop();
});

test('a simple header filter is smaller than 3 KB', () => {
  assert.ok(stub.length < 3 * 1024, `${stub.length} bytes`);
});
