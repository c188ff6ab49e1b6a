import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { FieldName, Head } from '../../../../core/http/head.ts';
import { encodePairs } from '../../../../core/wasm/abi/pairs.ts';
import type {
  StreamReceiver,
  StreamRequest,
  UpstreamFailure,
  UpstreamRequest,
  UpstreamResponse,
} from '../../../../core/wasm/abi/upstreams.ts';
import { filter } from '../../../plugins/wat.ts';
import { Calls, FAR } from '../calls.ts';
import { TestStream } from '../harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const PARSE_FAILURE = 4;
const INVALID_MEMORY_ACCESS = 6;
const INTERNAL_FAILURE = 10;

const callback = (name: string, parameters: number, first: number): string => `
  (func (export "${name}") (param ${'i32 '.repeat(parameters)})
    ${[1, 2].map((i) => `(i32.store (i32.const ${first + i * 4}) (local.get ${i}))`).join(' ')}
    (i32.store (i32.const ${first}) (i32.add (i32.const 1) (i32.load (i32.const ${first})))))`;
const HEAD_AT = 256;
const MESSAGE_AT = 272;
const TRAILERS_AT = 288;
const CLOSE_AT = 304;
/** Remembers of each callback how often it came, and the last one's parameters. */
const REMEMBERS = filter(
  callback('proxy_on_grpc_receive_initial_metadata', 3, HEAD_AT) +
    callback('proxy_on_grpc_receive', 3, MESSAGE_AT) +
    callback('proxy_on_grpc_receive_trailing_metadata', 3, TRAILERS_AT) +
    callback('proxy_on_grpc_close', 3, CLOSE_AT),
);

type Outcome = UpstreamResponse | UpstreamFailure;

/** Knows 'limiter'; the test answers what is sent. */
class Limiter {
  readonly calls: { request: UpstreamRequest; done: (outcome: Outcome) => void; givenUp: boolean }[] = [];
  readonly streams: { request: StreamRequest; receiver: StreamReceiver; sent: string[]; givenUp: boolean }[] = [];
  full = false;
  readonly opens: boolean;

  constructor(opens = true) {
    this.opens = opens;
  }

  find(name: string) {
    if (name !== 'limiter' && name !== 'outbound|80||limiter.shop') return null;
    const call = (request: UpstreamRequest, done: (outcome: Outcome) => void) => {
      const one = { request, done, givenUp: false };
      this.calls.push(one);
      return () => {
        one.givenUp = true;
      };
    };
    const open = (request: StreamRequest, receiver: StreamReceiver) => {
      const one = { request, receiver, sent: [] as string[], givenUp: false };
      this.streams.push(one);
      return {
        send: (bytes: Buffer, end: boolean) => {
          if (!this.full) one.sent.push(`${bytes.latin1Slice()}${end ? '$' : ''}`);
          return !this.full;
        },
        giveUp: () => {
          one.givenUp = true;
        },
      };
    };
    return this.opens ? { service: 'limiter.shop', call, open } : { service: 'limiter.shop', call };
  }
}

function limited(limiter = new Limiter(), mayCall: readonly string[] | null = null) {
  const calls = new Calls(REMEMBERS, new TestStream(), { mayCall }, null, { upstreams: limiter });
  const names = (
    upstream: string | Uint8Array,
    service = 'a.Limiter',
    method = 'Check',
    metadata: [string, string][] = [],
  ) => [...calls.put(upstream), ...calls.put(service), ...calls.put(method), ...calls.put(encodePairs(metadata))];
  const call = (upstream: string | Uint8Array, message = 'm', timeoutMs = 0) =>
    calls.env('proxy_grpc_call', ...names(upstream), ...calls.put(message), timeoutMs, 64);
  const open = (upstream: string | Uint8Array = 'limiter') => calls.env('proxy_grpc_stream', ...names(upstream), 64);
  /** How often each callback came: initial metadata, messages, trailing metadata, close. */
  const heard = () => [HEAD_AT, MESSAGE_AT, TRAILERS_AT, CLOSE_AT].map((at) => calls.u32(at));
  return { calls, limiter, names, call, open, heard };
}

function field(head: Head, name: string): string | undefined {
  return head.get(new FieldName(name));
}

function frame(message: string): Buffer {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.latin1Write(message, 5);
  return bytes;
}

const answer = (
  status: number,
  body: Buffer,
  fields: [string, string][] = [],
  trailers: [string, string][] | null = null,
) => ({
  head: Head.response(status, fields),
  body,
  trailers: trailers === null ? null : Head.response(0, trailers),
});

/** A GrpcService: envoy_grpc, a time-out behind it, and metadata. */
function grpcService(cluster: string, authority = ''): Buffer {
  const text = (number: number, value: string | Buffer) =>
    Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), Buffer.from(value)]);
  const envoy = [text(1, cluster), ...(authority === '' ? [] : [text(2, authority)])];
  const header = Buffer.concat([text(1, 'X-Key'), text(2, 'abc')]);
  return Buffer.concat([text(1, Buffer.concat(envoy)), Buffer.from([0x1a, 2, 8, 5]), text(5, header)]);
}

describe('whom a guest calls over gRPC', () => {
  for (const name of ['proxy_grpc_call', 'proxy_grpc_stream'] as const) {
    test(`${name} takes a plain name and a GrpcService; what the mesh does not know does not parse`, () => {
      const { calls, limiter, call, open } = limited();
      const ask = name === 'proxy_grpc_call' ? call : open;
      assert.equal(ask('limiter'), OK);
      assert.equal(ask(grpcService('limiter', 'rate.example')), OK);
      assert.equal(ask('outbound|80||limiter.shop'), OK);
      for (const unknown of ['nope', '', grpcService('nope'), Uint8Array.of(0x12, 2, 0x0a, 0), 'x'.repeat(5000)]) {
        assert.equal(ask(unknown), PARSE_FAILURE);
      }
      const heads = [...limiter.calls, ...limiter.streams].map(({ request }) => request.head);
      assert.deepEqual(
        heads.map(({ method, path, authority }) => [method, path, authority]),
        ['limiter', 'rate.example', 'limiter.shop'].map((authority) => ['POST', '/a.Limiter/Check', authority]),
      );
      assert.deepEqual([field(heads[0], 'content-type'), field(heads[0], 'te')], ['application/grpc', 'trailers']);
      assert.equal(field(heads[1], 'x-key'), 'abc', 'what the GrpcService adds');
      const said = calls.lines.filter(({ message }) => message.includes('knows no service or cluster "nope"'));
      assert.equal(said.length, 1, 'one line for the same mistake');
    });
  }

  test('is only who the plugin may call', () => {
    const { calls, call, open } = limited(new Limiter(), []);
    assert.deepEqual([call('limiter'), open()], [PARSE_FAILURE, PARSE_FAILURE]);
    assert.ok(
      calls.lines.some(({ message }) => message.includes('"limiter" is not among the upstreams of the plugin')),
    );
  });

  test('is told metadata, but none that is the call’s own, and a path that is one', () => {
    const { calls, limiter, names } = limited();
    const own: [string, string][] = [
      ['x-a', '1'],
      [':path', '/other'],
      ['content-type', 'text/plain'],
      ['te', 'x'],
    ];
    assert.equal(calls.env('proxy_grpc_call', ...names('limiter', 'a.S', 'M', own), ...calls.put('m'), 250, 64), OK);
    const [{ request }] = limiter.calls;
    assert.deepEqual([request.head.path, field(request.head, 'x-a')], ['/a.S/M', '1']);
    assert.equal(field(request.head, 'content-type'), 'application/grpc');
    assert.equal(field(request.head, 'grpc-timeout'), '250m');
    assert.deepEqual([request.timeoutMs, request.http2], [250, true]);
    assert.deepEqual(Buffer.from(request.body), frame('m'));
    assert.equal(calls.env('proxy_grpc_call', ...names('limiter', 'a b'), ...calls.put('m'), 0, 64), PARSE_FAILURE);
    assert.equal(calls.env('proxy_grpc_stream', FAR, 4, 0, 0, 0, 0, 0, 0, 64), INVALID_MEMORY_ACCESS);
  });
});

describe('a gRPC call of a guest', () => {
  test('that succeeds ends with its message alone, and both its metadata can be read', () => {
    const { calls, limiter, call, heard } = limited();
    assert.equal(call('limiter'), OK);
    const id = calls.u32();
    calls.end();
    limiter.calls[0].done(answer(200, frame('allowed'), [], [['grpc-status', '0']]));
    assert.deepEqual(heard(), [0, 1, 0, 0]);
    assert.deepEqual([calls.u32(MESSAGE_AT + 4), calls.u32(MESSAGE_AT + 8)], [id, 7]);
    assert.equal(calls.plugin.calls, 0);
  });

  const failures: [string, Outcome, number][] = [
    ['a status that is not OK', answer(200, Buffer.alloc(0), [], [['grpc-status', '7']]), 7],
    ['a status in its head', answer(200, Buffer.alloc(0), [['grpc-status', '5']]), 5],
    ['no status', answer(200, frame('x')), 2],
    ['a status that is no number', answer(200, frame('x'), [], [['grpc-status', 'no']]), 2],
    ['a status of HTTP', answer(503, Buffer.from('no')), 14],
    ['a status of HTTP beside its own', answer(403, Buffer.alloc(0), [['grpc-status', '9']]), 9],
    ['no message', answer(200, Buffer.alloc(0), [], [['grpc-status', '0']]), 13],
    ['two messages', answer(200, Buffer.concat([frame('a'), frame('b')]), [], [['grpc-status', '0']]), 13],
    ['half a message', answer(200, frame('abc').subarray(0, 6), [], [['grpc-status', '0']]), 13],
    ['a compressed message', answer(200, Buffer.from([1, 0, 0, 0, 0]), [], [['grpc-status', '0']]), 13],
    ['nobody there', { failure: 'no_healthy_upstream' }, 14],
  ];
  for (const [what, outcome, status] of failures) {
    test(`that is answered with ${what} ends with status ${status} alone`, () => {
      const { calls, limiter, call, heard } = limited();
      call('limiter');
      calls.end();
      limiter.calls[0].done(outcome);
      assert.deepEqual(heard(), [0, 0, 0, 1]);
      assert.equal(calls.u32(CLOSE_AT + 8), status);
    });
  }

  test('can be given up, by close as by cancel, and takes no further message', () => {
    const { calls, limiter, call, heard } = limited();
    for (const name of ['proxy_grpc_close', 'proxy_grpc_cancel']) {
      call('limiter');
      const id = calls.u32();
      assert.equal(calls.env('proxy_grpc_send', id, ...calls.put('m'), 0), BAD_ARGUMENT);
      assert.equal(calls.env(name, id), OK);
      assert.equal(calls.env(name, id), NOT_FOUND);
    }
    assert.deepEqual(
      limiter.calls.map(({ givenUp }) => givenUp),
      [true, true],
    );
    calls.end();
    limiter.calls[0].done({ failure: 'late' });
    assert.deepEqual(heard(), [0, 0, 0, 0]);
  });

  test('is one of a limited number, with those over HTTP', () => {
    const { calls, call, open } = limited();
    calls.plugin.calls = 1024;
    assert.deepEqual([call('limiter'), open()], [INTERNAL_FAILURE, INTERNAL_FAILURE]);
  });
});

describe('a gRPC stream of a guest', () => {
  test('hears of metadata, of each message wherever it lies in the pieces, of trailers and of its status', () => {
    const { calls, limiter, open, heard } = limited();
    assert.equal(open(), OK);
    const id = calls.u32();
    assert.equal(calls.env('proxy_grpc_send', id, ...calls.put('one'), 0), OK);
    calls.end();
    const [{ receiver, sent }] = limiter.streams;
    assert.deepEqual(sent, [frame('one').latin1Slice()]);
    const head = Head.response(200, [['x-a', '1']]);
    head.contentLength = -1;
    receiver.onHead(head, false);
    assert.deepEqual([...heard(), calls.u32(HEAD_AT + 8)], [1, 0, 0, 0, 2]);
    const bytes = Buffer.concat([frame('first'), frame(''), frame('second')]);
    for (let at = 0; at < bytes.length; at++) receiver.onData(bytes.subarray(at, at + 1), false);
    receiver.onData(Buffer.concat([frame('a'), frame('bc')]), false);
    assert.deepEqual([...heard(), calls.u32(MESSAGE_AT + 8)], [1, 5, 0, 0, 2]);
    receiver.onTrailers(Head.response(0, [['grpc-status', '0']]));
    assert.deepEqual(heard(), [1, 5, 1, 1]);
    assert.deepEqual([calls.u32(CLOSE_AT + 4), calls.u32(CLOSE_AT + 8)], [id, 0]);
    assert.deepEqual([calls.instance.grpcCalls.held, calls.plugin.calls], [0, 0]);
    assert.equal(calls.env('proxy_grpc_send', id, 0, 0, 0), NOT_FOUND);
  });

  test('that is closed sends nothing more, and hears on; one that is cancelled hears nothing', () => {
    const { calls, limiter, open, heard } = limited();
    open();
    const closed = calls.u32();
    open();
    const cancelled = calls.u32();
    assert.equal(calls.env('proxy_grpc_close', closed), OK);
    assert.equal(calls.env('proxy_grpc_send', closed, ...calls.put('m'), 0), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_grpc_cancel', cancelled), OK);
    calls.end();
    assert.deepEqual(limiter.streams[0].sent, ['$']);
    assert.ok(limiter.streams[1].givenUp);
    limiter.streams[0].receiver.onHead(Head.response(200, [['grpc-status', '5']]), true);
    limiter.streams[1].receiver.onHead(Head.response(200), false);
    assert.deepEqual([...heard(), calls.u32(CLOSE_AT + 8)], [1, 0, 1, 1, 5]);
  });

  test('that a service breaks off, answers wrongly or cuts off in a message ends with a status, and holds nothing', () => {
    const ends: [number, (receiver: StreamReceiver) => void][] = [
      [14, (receiver) => receiver.onFailure('reset')],
      [12, (receiver) => receiver.onHead(Head.response(404), false)],
      [2, (receiver) => receiver.onHead(Head.response(200), true)],
      [2, (receiver) => receiver.onData(Buffer.alloc(0), true)],
      [13, (receiver) => receiver.onData(Buffer.from([1, 0, 0, 0, 0]), false)],
      [13, (receiver) => receiver.onData(Buffer.from([0, 255, 0, 0, 0]), false)],
      [13, (receiver) => receiver.onTrailers(Head.response(0, [['grpc-status', '0']]))],
    ];
    for (const [index, [status, end]] of ends.entries()) {
      const { calls, limiter, open, heard } = limited();
      open();
      calls.end();
      const [{ receiver }] = limiter.streams;
      if (index === ends.length - 1) receiver.onData(frame('abc').subarray(0, 7), false);
      end(receiver);
      assert.deepEqual([heard()[3], calls.u32(CLOSE_AT + 8)], [1, status], `end ${index}`);
      assert.deepEqual([calls.instance.grpcCalls.held, calls.instance.grpcCalls.size], [0, 0]);
    }
  });

  test('is refused where none can be opened, and a message where too much waits', () => {
    const none = limited(new Limiter(false));
    assert.equal(none.open(), INTERNAL_FAILURE);
    const { calls, limiter, open } = limited();
    open();
    limiter.full = true;
    assert.equal(calls.env('proxy_grpc_send', calls.u32(), ...calls.put('m'), 0), BAD_ARGUMENT);
  });

  test('goes with the guest that has it', () => {
    const { calls, limiter, open, call } = limited();
    open();
    call('limiter');
    calls.runtime.stop();
    assert.deepEqual([limiter.streams[0].givenUp, limiter.calls[0].givenUp], [true, true]);
  });
});
