import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { BodyBuffer } from '../../../core/exchange/body-buffer.ts';
import { FieldName, Head } from '../../../core/http/head.ts';
import type { Side } from '../../../core/tcp/network-filter.ts';
import type { UpstreamFailure, UpstreamRequest, UpstreamResponse } from '../../../core/wasm/abi/upstreams.ts';
import { fixtureFilter } from '../../filters/fixture.ts';
import { recordFor, runtimeFor, specFor, TestStream } from './harness.ts';

const asks = await fixtureFilter('fixtures/asks.ts');
const lines = await fixtureFilter('fixtures/lines.ts');

const header = (stream: TestStream, name: string) => stream.requestHead.get(new FieldName(name));

/** A service whose answers the test gives. */
class Service {
  readonly requests: UpstreamRequest[] = [];
  private readonly ends: ((outcome: UpstreamResponse | UpstreamFailure) => void)[] = [];

  find(name: string) {
    if (name !== 'reviews.default.svc.cluster.local') return null;
    return {
      service: name,
      call: (request: UpstreamRequest, ended: (outcome: UpstreamResponse | UpstreamFailure) => void) => {
        this.requests.push(request);
        this.ends.push(ended);
        return () => undefined;
      },
    };
  }

  answer(call: number, status: number, fields: [string, string][] = [], body = ''): void {
    const head = Head.response(status, fields);
    this.ends[call]({ head, body: Buffer.from(body), trailers: null });
  }

  fail(call: number): void {
    this.ends[call]({ failure: 'the connection was reset' });
  }
}

function asking() {
  const service = new Service();
  const { runtime, lines: said } = runtimeFor({ upstreams: service, now: () => 1_700_000_000_123 });
  const factory = runtime.configure(specFor(asks));
  const open = (path: string) => {
    const stream = new TestStream(Head.request('GET', 'a', path));
    const filter = factory.open(stream, null);
    return { stream, filter, verdict: filter.head('request', stream.requestHead, true) };
  };
  return { service, runtime, said, open };
}

describe('a filter that asks a service', () => {
  test('pauses until the answer is there, and reads its head in the callback of the stream that asked', () => {
    const { service, open } = asking();
    const first = open('/a');
    const second = open('/b');
    assert.deepEqual([first.verdict, second.verdict], ['pause', 'pause']);
    assert.deepEqual(
      service.requests.map(({ head, body }) => [head.method, head.path, Buffer.from(body).toString()]),
      [
        ['GET', '/check', '/a'],
        ['GET', '/check', '/b'],
      ],
    );
    service.answer(1, 200, [['x-user', 'bob']]);
    assert.deepEqual([first.stream.resumed, second.stream.resumed], [[], ['request']]);
    assert.deepEqual([header(first.stream, 'x-user'), header(second.stream, 'x-user')], [undefined, 'bob']);
    service.answer(0, 200, [['x-user', 'ann']]);
    assert.deepEqual([first.stream.resumed, header(first.stream, 'x-user')], [['request'], 'ann']);
  });

  test('answers itself when the service says no, or says nothing', () => {
    const { service, open } = asking();
    const refused = open('/');
    const failed = open('/');
    service.answer(0, 401, [], 'no such user');
    service.fail(1);
    const replies = [...refused.stream.replies, ...failed.stream.replies];
    assert.deepEqual(
      replies.map(({ status, body }) => [status, Buffer.from(body).toString()]),
      [
        [403, 'no such user'],
        [503, 'nobody answered'],
      ],
    );
  });

  test('hears nothing of a call whose stream has ended', () => {
    const { service, open, said, runtime } = asking();
    const gone = open('/');
    gone.filter.done();
    service.answer(0, 200, [['x-user', 'ann']]);
    assert.deepEqual([gone.stream.resumed, header(gone.stream, 'x-user')], [[], undefined]);
    assert.deepEqual(
      said.filter(({ level }) => level === 'error'),
      [],
    );
    assert.equal(runtime.dump()[0].running, true);
  });

  test('has a thousand calls under way, answered in any order', () => {
    const { service, open } = asking();
    const all = Array.from({ length: 1000 }, (_, i) => open(`/${i}`));
    for (let i = 999; i >= 0; i -= 2) service.answer(i, 200, [['x-user', `u${i}`]]);
    for (let i = 0; i < 1000; i += 2) service.answer(i, 200, [['x-user', `u${i}`]]);
    all.forEach(({ stream }, i) => void assert.equal(header(stream, 'x-user'), `u${i}`));
  });
});

describe('what a filter counts and asks of its host', () => {
  test('metrics are defined once, and counted by kind', () => {
    const { open, runtime } = asking();
    assert.deepEqual(
      runtime.metrics().map(({ name, value }) => [name, value]),
      [['asks_requests_total', 0n]],
    );
    const streams = ['/', '/long'].map(open);
    streams[0].filter.done();
    assert.deepEqual(
      runtime.metrics().map(({ name, value }) => [name, value]),
      [
        ['asks_requests_total', 2n],
        ['asks_open', 1n],
        ['asks_path_bytes', 6n],
      ],
    );
    assert.equal(header(streams[1].stream, 'x-total'), '2');
  });

  test('properties as numbers and answers, and the time', () => {
    const { stream } = asking().open('/');
    assert.deepEqual([header(stream, 'x-port'), header(stream, 'x-time')], ['40000', '1700000000123']);
  });

  test('what is put into a queue arrives at the object of the configuration', async () => {
    const { open, said } = asking();
    open('/one');
    open('/two');
    while (said.length < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      said.map(({ message }) => message),
      ['test: /one', 'test: /two'],
    );
  });
});

test('a network filter holds bytes, changes what comes back, closes, and hears how it ended', () => {
  const { runtime, lines: said } = runtimeFor();
  const asked: [string, Side][] = [];
  const filter = runtime.configureNetwork(specFor(lines)).connect({
    record: recordFor(),
    exchange: null,
    state: new Map<string, Uint8Array>(),
    resume: (side) => void asked.push(['resume', side]),
    close: (side) => void asked.push(['close', side]),
  });
  assert.ok(filter !== null);
  const data = new BodyBuffer();
  assert.equal(filter.opened(), true);
  data.append(Buffer.from('qui'));
  assert.equal(filter.received('downstream', data, false), false);
  data.append(Buffer.from('t\n'));
  assert.equal(filter.received('downstream', data, false), true);
  assert.deepEqual(asked, [['close', 'downstream']]);
  const back = new BodyBuffer();
  back.append(Buffer.from('bye'));
  assert.equal(filter.received('upstream', back, true), true);
  assert.equal(back.bytes().toString(), '> bye');
  filter.closed('downstream', 'remote');
  filter.done();
  assert.deepEqual(
    said.map(({ message }) => message),
    ['test: opened', 'test: closed by the client', 'test: lines: 1'],
  );
});
