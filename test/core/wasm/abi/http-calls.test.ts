import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Head } from '../../../../core/http/head.ts';
import { encodePairs } from '../../../../core/wasm/abi/pairs.ts';
import type {
  UpstreamFailure,
  UpstreamRequest,
  UpstreamResponse,
  Upstreams,
} from '../../../../core/wasm/abi/upstreams.ts';
import type { PluginSpec } from '../../../../core/wasm/guest/spec.ts';
import { asking, CHECK, type Question } from '../asking.ts';
import { Calls, FAR, WRAPPING } from '../calls.ts';
import { guest } from '../guests.ts';
import { runtimeFor, specFor, TestStream } from '../harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const INVALID_MEMORY_ACCESS = 6;
const INTERNAL_FAILURE = 10;

interface Sent {
  readonly name: string;
  readonly request: UpstreamRequest;
  readonly done: (outcome: UpstreamResponse | UpstreamFailure) => void;
  givenUp: boolean;
}

/** Knows 'authz'; what is sent waits for the test to answer it. */
class Known implements Upstreams {
  readonly sent: Sent[] = [];
  private readonly service: string | null;

  /** The full name of what is found; null: the name that was asked for. */
  constructor(service: string | null = null) {
    this.service = service;
  }

  find(name: string) {
    if (name !== 'authz') return null;
    return {
      service: this.service ?? name,
      call: (request: UpstreamRequest, done: Sent['done']) => {
        const sent: Sent = { name, request, done, givenUp: false };
        this.sent.push(sent);
        return () => {
          sent.givenUp = true;
        };
      },
    };
  }
}

const answer = (status: number, body = ''): UpstreamResponse => ({
  head: Head.response(status, [['x-from', 'authz']]),
  body: Buffer.from(body),
  trailers: null,
});

function asked(question: Partial<Question> = {}, changes: Partial<PluginSpec> = {}, upstreams = new Known()) {
  const { runtime, lines } = runtimeFor({ upstreams });
  const bytes = asking({ upstream: 'authz', ...question });
  const factory = runtime.configure(specFor(bytes, changes));
  const send = () => {
    const stream = new TestStream();
    const filter = factory.open(stream, null);
    return { stream, filter, verdict: filter.head('request', stream.requestHead, true) };
  };
  return { runtime, lines, upstreams, factory, send, bytes };
}

describe('the upstreams of a plugin', () => {
  const FULL = 'authz.shop.svc.cluster.local';
  const sends = (service: string, name: string, mayCall: readonly string[] | null): boolean => {
    const { upstreams, send, runtime, lines } = asked({}, { name, mayCall }, new Known(service));
    send();
    runtime.stop();
    const sent = upstreams.sent.length === 1;
    assert.equal(
      lines.some(({ message }) => message.includes('not among the upstreams of the plugin')),
      !sent,
    );
    return sent;
  };

  test('are the only ones that it reaches, however it spells them', () => {
    assert.ok(sends(FULL, 'shop/p', ['authz']));
    assert.ok(sends(FULL, 'other/p', ['authz.shop']));
    assert.ok(sends(FULL, 'other/p', [FULL]));
    assert.ok(sends('api.example.com', 'shop/p', ['api.example.com']));
    assert.ok(sends(FULL, 'other/p', null));
    assert.ok(!sends(FULL, 'shop/p', []));
    assert.ok(!sends(FULL, 'other/p', ['authz']));
    assert.ok(!sends('authz.shop.evil.com', 'shop/p', ['authz']));
    assert.ok(!sends('authz.shopping.svc.cluster.local', 'shop/p', ['authz.shop']));
  });
});

describe('a call of a filter', () => {
  test('is sent as the guest said, with lower-case names and the length of its body', () => {
    const { upstreams, send, runtime } = asked({ body: 'may i?', timeoutMs: 250 });
    assert.equal(send().verdict, 'pause');
    const [{ request }] = upstreams.sent;
    const { head } = request;
    assert.deepEqual([head.method, head.path, head.authority, head.contentLength], ['POST', '/check', 'authz', 6]);
    assert.deepEqual(head.added, ['x-asked-by', 'guest']);
    assert.equal(Buffer.from(request.body).toString(), 'may i?');
    assert.deepEqual([request.plugin, request.timeoutMs, request.trailers], ['test', 250, null]);
    runtime.stop();
  });

  test('with trailers announces no length, so that they can be written', () => {
    const { upstreams, send, runtime } = asked({ body: 'x', trailers: [['x-sum', '1']] });
    send();
    const [{ request }] = upstreams.sent;
    assert.equal(request.head.contentLength, -1);
    assert.deepEqual(request.trailers?.added, ['x-sum', '1']);
    runtime.stop();
  });

  test('answered 200 lets the stream go on, though its callback is the root’s', () => {
    const { upstreams, send, runtime } = asked();
    const { stream } = send();
    upstreams.sent[0].done(answer(200, 'welcome'));
    assert.deepEqual(stream.resumed, ['request']);
    assert.deepEqual(stream.requestHead.added, ['x-verdict', 'welcome']);
    runtime.stop();
  });

  test('answered otherwise is replied to the client from within that callback', () => {
    const { upstreams, send, runtime } = asked();
    const { stream } = send();
    upstreams.sent[0].done(answer(401, 'who are you?'));
    assert.equal(stream.replies[0].status, 403);
    assert.equal(Buffer.from(stream.replies[0].body).toString(), 'who are you?');
    runtime.stop();
  });

  test('without an answer is told once, as (id, 0, 0, 0) with the status "reset"', () => {
    const { upstreams, send, runtime } = asked();
    const { stream } = send();
    upstreams.sent[0].done({ failure: 'connection refused' });
    upstreams.sent[0].done(answer(200, 'too late'));
    assert.deepEqual(
      stream.replies.map(({ status, body }) => [status, Buffer.from(body).toString()]),
      [[504, 'reset']],
    );
    assert.deepEqual(stream.resumed, []);
    runtime.stop();
  });

  test('finds each stream that waits, in whichever order the answers come', () => {
    const { upstreams, send, runtime } = asked();
    const streams = [send(), send(), send()].map(({ stream }) => stream);
    for (const index of [2, 0, 1]) upstreams.sent[index].done(answer(200, String(index)));
    assert.deepEqual(
      streams.map(({ requestHead }) => requestHead.added),
      [
        ['x-verdict', '0'],
        ['x-verdict', '1'],
        ['x-verdict', '2'],
      ],
    );
    runtime.stop();
  });

  test('outlives its stream: it is answered all the same, and touches nothing that is gone', () => {
    const { upstreams, send, runtime, factory } = asked();
    const { stream, filter } = send();
    filter.done();
    assert.equal(upstreams.sent[0].givenUp, false);
    upstreams.sent[0].done(answer(200, 'late'));
    assert.deepEqual([stream.resumed, stream.replies, stream.requestHead.added], [[], [], []]);
    assert.equal(runtime.dump()[0].running, true);
    const next = send();
    upstreams.sent[1].done(answer(200, 'next'));
    assert.deepEqual(next.stream.requestHead.added, ['x-verdict', 'next']);
    assert.equal(factory.name, 'test');
    runtime.stop();
  });

  test('of an instance that died is given up and answered to nobody', () => {
    const trap = `(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (unreachable))`;
    const { upstreams, send, runtime } = asked({ more: trap });
    const { filter, stream } = send();
    const { stream: other } = send();
    stream.bodies.request = null;
    filter.body('request', { length: 1 } as never, true);
    assert.deepEqual(
      upstreams.sent.map(({ givenUp }) => givenUp),
      [true, true],
    );
    upstreams.sent[1].done(answer(200, 'to whom?'));
    assert.deepEqual(other.resumed, []);
    runtime.stop();
  });

  test('of a plugin that is let go is given up', () => {
    const { upstreams, send, runtime, factory } = asked();
    send().filter.done();
    runtime.retire(factory);
    assert.equal(upstreams.sent[0].givenUp, true);
  });

  test('that a trial of a configuration makes is given up before it begins', () => {
    const upstreams = new Known();
    const { runtime } = runtimeFor({ upstreams });
    const call = (part: string) =>
      asking({ upstream: 'authz', more: `(func (export "proxy_on_configure") (param i32 i32) (result i32) ${part})` });
    const bytes = call(
      `(i32.eqz (call $proxy_http_call (i32.const 1024) (i32.const 5) (i32.const 1029) (i32.const ${encodePairs(CHECK).length})
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))`,
    );
    runtime.configure(specFor(bytes));
    runtime.configure(specFor(bytes, { name: 'second' }));
    assert.deepEqual(
      upstreams.sent.map(({ request, givenUp }) => [request.plugin, givenUp]),
      [
        ['test', false],
        ['second', true],
        ['second', false],
      ],
    );
    runtime.stop();
  });

  test('waits in a line that ends', () => {
    const { upstreams, send, runtime, lines } = asked();
    for (let i = 0; i < 1024; i++) send();
    const { stream } = send();
    assert.equal(upstreams.sent.length, 1024);
    assert.deepEqual([stream.replies[0].status, Buffer.from(stream.replies[0].body).toString()], [500, ':']);
    assert.equal(lines.filter(({ message }) => message.includes('too many calls')).length, 1);
    send();
    assert.equal(lines.filter(({ message }) => message.includes('too many calls')).length, 1, 'said once');
    upstreams.sent[0].done(answer(200));
    send();
    assert.equal(upstreams.sent.length, 1025);
    runtime.stop();
  });
});

describe('proxy_http_call', () => {
  const rest = (count: number): number[] => new Array(count).fill(0);
  const upstreams = new Known();
  const called = (calls: Calls, name: string, headers = CHECK, out = 80) =>
    calls.env('proxy_http_call', ...calls.put(name), ...calls.put(encodePairs(headers)), 0, 0, 0, 0, 0, out);

  test('refuses upstreams that the mesh does not know, and says which', () => {
    const calls = new Calls();
    assert.equal(called(calls, 'http://example.com/'), BAD_ARGUMENT);
    assert.match(calls.lines[0].message, /knows no service or cluster "http:\/\/example.com\/"/);
    assert.equal(called(calls, ''), BAD_ARGUMENT);
  });

  test('needs an authority to be there, and no more: it may be empty', () => {
    const calls = new Calls(guest(), new TestStream(), {}, null, { upstreams });
    const before = upstreams.sent.length;
    for (const name of [':authority', ':scheme']) {
      const head = [...CHECK.filter(([given]) => given !== name), [name, '']] as typeof CHECK;
      assert.equal(called(calls, 'authz', head), OK, name);
    }
    assert.equal(upstreams.sent[before].request.head.authority, '');
    assert.equal(upstreams.sent.splice(before).length, 2);
  });

  test('refuses a head without method, path or authority, or with one that no request can have', () => {
    const calls = new Calls(guest(), new TestStream(), {}, null, { upstreams });
    for (const [missing] of CHECK.slice(0, 3)) {
      assert.equal(
        called(
          calls,
          'authz',
          CHECK.filter(([name]) => name !== missing),
        ),
        BAD_ARGUMENT,
        missing,
      );
    }
    assert.equal(called(calls, 'authz', [...CHECK, [':status', '200']]), BAD_ARGUMENT);
    assert.equal(
      called(calls, 'authz', [
        [':method', 'GET'],
        [':path', 'a b'],
        [':authority', 'x'],
      ]),
      BAD_ARGUMENT,
    );
    assert.equal(upstreams.sent.length, 0);
  });

  test('refuses bad pointers, and too large a body', () => {
    const calls = new Calls(guest({ pages: '80' }), new TestStream(), {}, null, { upstreams });
    for (const bad of [FAR, WRAPPING]) {
      for (let at = 0; at < 10; at += 2) {
        if (at === 8) continue;
        const parameters = rest(10);
        parameters[at] = bad;
        parameters[at + 1] = 8;
        parameters[9] = 80;
        assert.equal(calls.env('proxy_http_call', ...parameters), INVALID_MEMORY_ACCESS, `parameter ${at}`);
      }
      assert.equal(called(calls, 'authz', CHECK, bad), INVALID_MEMORY_ACCESS);
    }
    const upstream = calls.put('authz');
    const headers = calls.put(encodePairs(CHECK));
    assert.equal(calls.env('proxy_http_call', ...upstream, ...headers, 0, 5_000_000, 0, 0, 0, 80), INTERNAL_FAILURE);
    assert.equal(upstreams.sent.length, 0);
  });

  test('gives ids from 1 on, and the answer’s maps and body are there only in its callback', () => {
    const calls = new Calls(guest(), new TestStream(), {}, null, { upstreams });
    assert.equal(called(calls, 'authz'), OK);
    assert.equal(calls.u32(80), 1);
    assert.equal(called(calls, 'authz'), OK);
    assert.equal(calls.u32(80), 2);
    assert.equal(calls.header(6, ':status'), NOT_FOUND);
    assert.equal(calls.env('proxy_get_buffer_bytes', 4, 0, 10, ...calls.out), NOT_FOUND);
    calls.instance.httpCalls.response = { ...answer(204), trailers: Head.response(0, [['x-end', 'yes']]) };
    for (const context of [calls.context, calls.plugin.root]) {
      calls.as(context);
      assert.equal(calls.header(6, ':status'), '204');
      assert.equal(calls.header(6, 'x-from'), 'authz');
      assert.equal(calls.header(7, 'x-end'), 'yes');
    }
    assert.equal(calls.env('proxy_add_header_map_value', 6, ...calls.put('a'), ...calls.put('b')), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_remove_header_map_value', 7, ...calls.put('x-end')), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_set_header_map_pairs', 6, 0, 0), BAD_ARGUMENT);
  });

  test('proxy_get_status says what became of the call that the callback is about', () => {
    const calls = new Calls();
    assert.equal(calls.env('proxy_get_status', 80, ...calls.out), OK);
    assert.deepEqual([calls.u32(80), calls.given()], [0, '']);
    assert.equal(calls.env('proxy_get_status', FAR, ...calls.out), INVALID_MEMORY_ACCESS);
    assert.equal(calls.env('proxy_get_status', 80, WRAPPING, 64), INVALID_MEMORY_ACCESS);
  });
});
