import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { BodyBuffer } from '../../../core/exchange/body-buffer.ts';
import type { FilterFactory } from '../../../core/exchange/filter.ts';
import { FieldName, Head } from '../../../core/http/head.ts';
import { Timers } from '../../../core/timers.ts';
import { fixtureFilter } from '../../filters/fixture.ts';
import { plain, runtimeFor, specFor, TestStream } from './harness.ts';

const AGENT = new FieldName('x-agent');
const SERVED = new FieldName('x-served-by');
const STREAMS = 1_000_000;

const small = await fixtureFilter('example/index.ts', 'stub');
const stateful = await fixtureFilter('fixtures/stateful.ts');
const shout = await fixtureFilter('fixtures/shout.ts');

function addHeader(): { factory: FilterFactory; memory: () => number } {
  const { runtime } = runtimeFor({ logLevel: 'info' });
  return { factory: runtime.configure(specFor(small)), memory: () => runtime.dump()[0].memoryBytes };
}

describe('a header filter', () => {
  test('reads a request header, sets another, and marks the response', () => {
    const { factory } = addHeader();
    assert.deepEqual(factory.wants, {
      request: { head: true, body: false },
      response: { head: true, body: false },
    });
    const head = Head.request('GET', 'reviews', '/', [['User-Agent', 'curl/8']]);
    const stream = new TestStream(head);
    const filter = factory.open(stream, null);
    assert.equal(filter.head('request', head, true), 'continue');
    assert.equal(head.get(AGENT), 'curl/8');
    stream.responseHead = Head.response(200);
    assert.equal(filter.head('response', stream.responseHead, true), 'continue');
    assert.equal(stream.responseHead.get(SERVED), 'weft');
    filter.done();
  });

  test('tells a header that is missing from one that is empty', () => {
    const { factory } = addHeader();
    for (const [fields, expected] of [
      [[], 'unknown'],
      [[['user-agent', '']], ''],
    ] as const) {
      const stream = new TestStream(Head.request('GET', 'a', '/', fields));
      factory.open(stream, null).head('request', stream.requestHead, true);
      assert.equal(stream.requestHead.get(AGENT), expected);
    }
  });

  test('is smaller than 3 KB', () => {
    assert.ok(small.length < 3 * 1024, `${small.length} bytes`);
  });

  test('imports only what every host of the standard has, so that it runs in Envoy', () => {
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(small));
    assert.deepEqual(imports.map(({ module, name }) => `${module}.${name}`).sort(), [
      'env.proxy_add_header_map_value',
      'env.proxy_get_buffer_bytes',
      'env.proxy_get_header_map_value',
      'env.proxy_log',
      'env.proxy_replace_header_map_value',
    ]);
  });

  test('takes no more memory after a million streams', () => {
    const { factory, memory } = addHeader();
    const stream = new TestStream(Head.request('GET', 'reviews', '/', [['User-Agent', 'curl/8']]));
    const once = () => {
      const filter = factory.open(stream, null);
      filter.head('request', stream.requestHead, true);
      filter.done();
      stream.requestHead.added.length = 2;
    };
    for (let i = 0; i < 1000; i++) once();
    const before = memory();
    for (let i = 0; i < STREAMS; i++) once();
    assert.equal(memory(), before);
  });

  test('keeps up with many streams open at once, ended in any order', () => {
    const { factory } = addHeader();
    const open = Array.from({ length: 5000 }, (_, i) => {
      const stream = new TestStream(Head.request('GET', 'a', '/', [['user-agent', `agent ${i}`]]));
      return { stream, filter: factory.open(stream, null) };
    });
    for (const { stream, filter } of open) filter.head('request', stream.requestHead, true);
    for (let i = 0; i < open.length; i += 3) open[i].filter.done();
    for (let i = 1; i < open.length; i += 3) {
      const { stream, filter } = open[i];
      stream.responseHead = Head.response(200);
      filter.head('response', stream.responseHead, true);
      assert.equal(stream.responseHead.get(SERVED), 'weft');
      filter.done();
    }
    open.forEach(({ stream }, i) => void assert.equal(stream.requestHead.get(AGENT), `agent ${i}`));
  });

  test('a value larger than all before it arrives, and its memory is used again', () => {
    const { factory, memory } = addHeader();
    const large = 'x'.repeat(50_000);
    const sizes: number[] = [];
    for (let i = 0; i < 50; i++) {
      const stream = new TestStream(Head.request('GET', 'a', '/', [['user-agent', large]]));
      const filter = factory.open(stream, null);
      filter.head('request', stream.requestHead, true);
      assert.equal(stream.requestHead.get(AGENT), large);
      filter.done();
      sizes.push(memory());
    }
    assert.equal(sizes.at(-1), sizes[2]);
  });
});

describe('a filter with state', () => {
  const run = (factory: FilterFactory, path: string, ...body: string[]): [string, string] => {
    const stream = new TestStream(Head.request('POST', 'a', path));
    const filter = factory.open(stream, null);
    filter.head('request', stream.requestHead, false);
    for (const part of body) {
      const buffer = new BodyBuffer();
      buffer.append(Buffer.from(part));
      stream.bodies.request = buffer;
      filter.body('request', buffer, part === body.at(-1));
    }
    const head = Head.response(200);
    stream.responseHead = head;
    filter.head('response', head, true);
    filter.done();
    return [head.get(new FieldName('x-path')) ?? '', head.get(new FieldName('x-request-size')) ?? ''];
  };

  test('keeps each stream’s own, and each configuration’s', () => {
    const { runtime } = runtimeFor();
    const spec = specFor(stateful, { builtin: plain(Buffer.alloc(0)) });
    const a = runtime.configure({ ...spec, configuration: Buffer.from('a:') });
    const b = runtime.configure({ ...spec, configuration: Buffer.from('grün:') });
    assert.deepEqual(run(a, '/1', 'abc', 'de'), ['a:/1', '5']);
    assert.deepEqual(run(b, '/2'), [Buffer.from('grün:/2').toString('latin1'), '0']);
    assert.throws(
      () => runtime.configure({ ...spec, configuration: Buffer.from('refuse') }),
      /refused its configuration/,
    );
    assert.deepEqual(run(a, '/3'), ['a:/3', '0']);
    runtime.stop();
  });

  test('its objects and strings are freed: memory stays flat over a hundred thousand streams', () => {
    const { runtime } = runtimeFor();
    const factory = runtime.configure(specFor(stateful, { configuration: Buffer.from('prefix ') }));
    const path = `/${'p'.repeat(200)}`;
    for (let i = 0; i < 2000; i++) run(factory, path);
    const before = runtime.dump()[0].memoryBytes;
    for (let i = 0; i < 100_000; i++) run(factory, path);
    assert.equal(runtime.dump()[0].memoryBytes, before);
    runtime.stop();
  });

  test('a thousand configurations, one after the other, leave nothing behind', () => {
    const { runtime } = runtimeFor();
    const spec = specFor(stateful, { builtin: plain(Buffer.alloc(0)) });
    runtime.configure({ ...spec, configuration: Buffer.from('stays') });
    const swap = (i: number): void => {
      const factory = runtime.configure({ ...spec, configuration: Buffer.from(`${i}${'x'.repeat(2000)}`) });
      run(factory, '/');
      runtime.retire(factory);
    };
    for (let i = 0; i < 600; i++) swap(i);
    const before = runtime.dump()[0].memoryBytes;
    for (let i = 0; i < 1000; i++) swap(i);
    assert.equal(runtime.dump().length, 1);
    assert.equal(runtime.dump()[0].memoryBytes, before);
    runtime.stop();
  });
});

describe('what else a filter can do', () => {
  const open = (fields: [string, string][] = [], options = {}) => {
    const { runtime, lines } = runtimeFor(options);
    const stream = new TestStream(Head.request('POST', 'a', '/', fields));
    const filter = runtime.configure(specFor(shout)).open(stream, null);
    return { runtime, lines, stream, filter };
  };

  test('wait for a whole body and change it', () => {
    const { stream, filter } = open();
    assert.equal(filter.head('request', stream.requestHead, false), 'continue');
    const body = new BodyBuffer();
    stream.bodies.request = body;
    body.append(Buffer.from('hello '));
    assert.equal(filter.body('request', body, false), 'pause');
    body.append(Buffer.from('world'));
    assert.equal(filter.body('request', body, true), 'continue');
    assert.equal(body.bytes().toString(), '<HELLO WORLD>');
  });

  test('change the length of a body: what was announced is not promised on, unless no filter looks at bodies', () => {
    const { stream, filter } = open();
    stream.requestHead.contentLength = 11;
    filter.head('request', stream.requestHead, false);
    assert.equal(stream.requestHead.contentLength, -1);
    stream.requestHead.contentLength = 11;
    addHeader().factory.open(stream, null).head('request', stream.requestHead, false);
    assert.equal(stream.requestHead.contentLength, 11);
  });

  test('add to trailers', () => {
    const { stream, filter } = open();
    filter.head('request', stream.requestHead, false);
    const trailers = Head.response(0);
    stream.requestTrailers = trailers;
    filter.trailers('request', trailers);
    assert.equal(trailers.get(new FieldName('x-trailer')), 'note');
  });

  test('answer itself', () => {
    const { stream, filter } = open([['x-deny', '451']]);
    assert.equal(filter.head('request', stream.requestHead, true), 'pause');
    assert.deepEqual(
      stream.replies.map(({ status, details, body }) => [status, details, Buffer.from(body).toString()]),
      [[451, 'note', '451']],
    );
  });

  test('be woken, remember something for later filters, and let the request go on', () => {
    let now = 0;
    const timers = new Timers(20, () => now);
    const { stream, filter } = open([['x-hold', '100']], { timers });
    assert.equal(filter.head('request', stream.requestHead, true), 'pause');
    now = 60;
    timers.advance();
    assert.deepEqual(stream.resumed, []);
    now = 200;
    timers.advance();
    timers.stop();
    assert.deepEqual(stream.resumed, ['request']);
    assert.deepEqual([...stream.state], [['note', Uint8Array.of(62)]]);
  });

  test('log, and share data between streams', () => {
    const { runtime, lines, stream, filter } = open();
    filter.head('request', stream.requestHead, true);
    filter.done();
    const again = runtime.configure(specFor(shout)).open(stream, null);
    again.head('request', stream.requestHead, true);
    again.done();
    assert.deepEqual(
      lines.map(({ message }) => message),
      ['test: ended 1', 'test: ended 2'],
    );
  });

  test('a message below the level is not sent to the host', () => {
    const { runtime, lines, stream, filter } = open([], { logLevel: 'error' });
    filter.head('request', stream.requestHead, true);
    filter.done();
    assert.deepEqual(lines, []);
    runtime.stop();
  });

  test('a level that is changed holds from the next callback on, both ways', () => {
    const { runtime, lines, stream, filter } = open([], { logLevel: 'error' });
    filter.head('request', stream.requestHead, true);
    runtime.logLevel = 'info';
    filter.done();
    assert.equal(lines.length, 1, 'the end is told');
    const another = open([], { logLevel: 'info' });
    another.filter.head('request', another.stream.requestHead, true);
    another.runtime.logLevel = 'error';
    another.filter.done();
    assert.deepEqual(another.lines, []);
    runtime.stop();
    another.runtime.stop();
  });
});
