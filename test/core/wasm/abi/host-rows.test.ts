import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { BodyBuffer } from '../../../../core/exchange/body-buffer.ts';
import { Head } from '../../../../core/http/head.ts';
import { HOST_FUNCTIONS } from '../../../../core/wasm/abi/abi.ts';
import { encodePairs } from '../../../../core/wasm/abi/pairs.ts';
import { Calls, FAR, WRAPPING } from '../calls.ts';
import { env, guest } from '../guests.ts';
import { runtimeFor, specFor, TestStream } from '../harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD = 2;
const PARSE_FAILURE = 4;
const INVALID_MEMORY_ACCESS = 6;

type Parameters = readonly (number | bigint)[];

interface Row {
  /** A call that is right, from a stream. */
  readonly call: (calls: Calls) => Parameters;
  readonly status?: number;
  /** What the same call is from a root; as from a stream by default. */
  readonly root?: number;
  /** Which parameters are pointers, or lengths of what they point to. */
  readonly memory?: readonly number[];
  /** Parameters put in the place of the right ones, by index, and the status. */
  readonly wrong?: readonly (readonly [index: number, value: number, status: number])[];
  /** May be called at any time. */
  readonly always?: true;
}

const HEADERS = encodePairs([
  [':method', 'GET'],
  [':path', '/'],
  [':authority', 'authz'],
]);
const METADATA = encodePairs([['x-a', '1']]);
const metric = (calls: Calls, type: number): number => {
  calls.env('proxy_define_metric', type, ...calls.put(`m${type}`), 64);
  return calls.u32();
};
const queue = (calls: Calls): number => {
  calls.env('proxy_register_shared_queue', ...calls.put('q'), 64);
  const id = calls.u32();
  calls.env('proxy_enqueue_shared_queue', id, ...calls.put('v'));
  return id;
};
const NO_MAP = [0, 99, BAD] as const;
const NO_STREAM = [
  [0, 4, BAD],
  [0, -1, BAD],
] as const;

const ROWS: Readonly<Record<string, Row>> = {
  proxy_log: {
    call: (c) => [2, ...c.put('x')],
    memory: [1, 2],
    wrong: [
      [0, 6, BAD],
      [0, -1, BAD],
    ],
    always: true,
  },
  proxy_get_log_level: { call: () => [64], memory: [0], always: true },
  proxy_get_current_time_nanoseconds: { call: () => [64], memory: [0], always: true },
  proxy_set_tick_period_milliseconds: { call: () => [0] },
  proxy_get_configuration: { call: (c) => c.out, memory: [0, 1] },
  proxy_get_buffer_bytes: {
    call: (c) => [0, 0, 5, ...c.out],
    root: NOT_FOUND,
    memory: [3, 4],
    wrong: [
      [0, 1, NOT_FOUND],
      [0, 99, NOT_FOUND],
      [0, -1, NOT_FOUND],
      [1, -1, BAD],
    ],
  },
  proxy_get_buffer_status: { call: (c) => [0, ...c.out], root: NOT_FOUND, memory: [1, 2], wrong: [[0, 99, NOT_FOUND]] },
  proxy_set_buffer_bytes: {
    call: (c) => [0, 0, 0, ...c.put('x')],
    root: NOT_FOUND,
    memory: [3, 4],
    wrong: [
      [0, 99, NOT_FOUND],
      [0, 7, BAD],
    ],
  },
  proxy_get_header_map_size: { call: () => [0, 64], memory: [1], wrong: [[0, 99, OK]] },
  proxy_get_header_map_pairs: { call: (c) => [0, ...c.out], memory: [1, 2], wrong: [[0, 99, OK]] },
  proxy_set_header_map_pairs: {
    call: (c) => [0, ...c.put(HEADERS)],
    root: BAD,
    memory: [1, 2],
    wrong: [NO_MAP, [0, 6, BAD]],
  },
  proxy_get_header_map_value: {
    call: (c) => [0, ...c.put('x-a'), ...c.out],
    root: NOT_FOUND,
    memory: [1, 2, 3, 4],
    wrong: [
      [0, 99, NOT_FOUND],
      [0, 2, NOT_FOUND],
    ],
  },
  proxy_add_header_map_value: {
    call: (c) => [0, ...c.put('x-b'), ...c.put('1')],
    root: BAD,
    memory: [1, 2, 3, 4],
    wrong: [NO_MAP, [0, 2, BAD], [2, 0, BAD]],
  },
  proxy_replace_header_map_value: {
    call: (c) => [0, ...c.put('x-a'), ...c.put('2')],
    root: BAD,
    memory: [1, 2, 3, 4],
    wrong: [NO_MAP, [0, 2, BAD], [2, 0, BAD]],
  },
  proxy_remove_header_map_value: {
    call: (c) => [0, ...c.put('x-a')],
    root: BAD,
    memory: [1, 2],
    wrong: [NO_MAP, [0, 2, BAD]],
  },
  proxy_continue_stream: { call: () => [0], wrong: NO_STREAM },
  proxy_close_stream: { call: () => [0], wrong: NO_STREAM },
  proxy_continue_request: { call: () => [] },
  proxy_continue_response: { call: () => [] },
  proxy_clear_route_cache: { call: () => [] },
  proxy_send_local_response: {
    call: (c) => [403, ...c.put('why'), ...c.put('body'), ...c.put(HEADERS), -1],
    root: BAD,
    memory: [1, 2, 3, 4, 5, 6],
  },
  proxy_http_call: {
    call: (c) => [...c.put('authz'), ...c.put(HEADERS), ...c.put('b'), ...c.put(''), 1000, 64],
    memory: [0, 1, 2, 3, 4, 5, 6, 7, 9],
    wrong: [
      [1, 2, BAD],
      [3, 0, BAD],
    ],
  },
  proxy_grpc_call: {
    call: (c) => [...c.put('authz'), ...c.put('a.S'), ...c.put('M'), ...c.put(METADATA), ...c.put('m'), 1000, 64],
    memory: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11],
    wrong: [[1, 2, PARSE_FAILURE]],
  },
  proxy_grpc_stream: {
    call: (c) => [...c.put('authz'), ...c.put('a.S'), ...c.put('M'), ...c.put(METADATA), 64],
    memory: [0, 1, 2, 3, 4, 5, 6, 7, 8],
    wrong: [[1, 2, PARSE_FAILURE]],
  },
  proxy_grpc_send: { call: (c) => [1, ...c.put('m'), 0], status: NOT_FOUND, memory: [1, 2] },
  proxy_grpc_cancel: { call: () => [1], status: NOT_FOUND },
  proxy_grpc_close: { call: () => [1], status: NOT_FOUND },
  proxy_get_status: { call: (c) => [72, ...c.out], memory: [0, 1, 2] },
  proxy_set_shared_data: { call: (c) => [...c.put('k'), ...c.put('v'), 0], memory: [0, 1, 2, 3] },
  proxy_get_shared_data: {
    call: (c) => {
      c.env('proxy_set_shared_data', ...c.put('k'), ...c.put('v'), 0);
      return [...c.put('k'), ...c.out, 72];
    },
    memory: [0, 1, 2, 3, 4],
    wrong: [[1, 2, NOT_FOUND]],
  },
  proxy_register_shared_queue: { call: (c) => [...c.put('q'), 64], memory: [0, 1, 2] },
  proxy_resolve_shared_queue: {
    call: (c) => {
      queue(c);
      return [...c.put(''), ...c.put('q'), 64];
    },
    memory: [0, 1, 2, 3, 4],
    wrong: [
      [1, 1, NOT_FOUND],
      [3, 2, NOT_FOUND],
    ],
  },
  proxy_enqueue_shared_queue: {
    call: (c) => [queue(c), ...c.put('v')],
    memory: [1, 2],
    wrong: [
      [0, 0, NOT_FOUND],
      [0, 4711, NOT_FOUND],
      [0, -1, NOT_FOUND],
    ],
  },
  proxy_dequeue_shared_queue: {
    call: (c) => [queue(c), ...c.out],
    memory: [1, 2],
    wrong: [
      [0, 0, NOT_FOUND],
      [0, 4711, NOT_FOUND],
    ],
  },
  proxy_define_metric: {
    call: (c) => [0, ...c.put('m'), 64],
    memory: [1, 2, 3],
    wrong: [
      [0, 3, BAD],
      [0, -1, BAD],
    ],
  },
  proxy_increment_metric: {
    call: (c) => [metric(c, 0), 1n],
    wrong: [
      [0, 0, NOT_FOUND],
      [0, 4711, NOT_FOUND],
    ],
  },
  proxy_record_metric: {
    call: (c) => [metric(c, 1), 1n],
    wrong: [
      [0, 0, NOT_FOUND],
      [0, 4711, NOT_FOUND],
    ],
  },
  proxy_get_metric: {
    call: (c) => [metric(c, 0), 64],
    memory: [1],
    wrong: [
      [0, 0, NOT_FOUND],
      [0, 4711, NOT_FOUND],
    ],
  },
  proxy_get_property: {
    call: (c) => [...c.put('request\0method'), ...c.out],
    root: NOT_FOUND,
    memory: [0, 1, 2, 3],
    wrong: [[1, 0, NOT_FOUND]],
  },
  proxy_set_property: { call: (c) => [...c.put('a'), ...c.put('b')], memory: [0, 1, 2, 3] },
  proxy_call_foreign_function: {
    call: (c) => [...c.put('compress'), ...c.put('text'), ...c.out],
    memory: [0, 1, 2, 3, 4, 5],
    wrong: [[1, 3, NOT_FOUND]],
  },
  proxy_set_effective_context: {
    call: (c) => [c.context.id],
    wrong: [
      [0, 0, BAD],
      [0, 4711, BAD],
      [0, -1, BAD],
    ],
  },
  proxy_done: { call: () => [], status: NOT_FOUND },
};

function opened(): Calls {
  const stream = new TestStream(Head.request('GET', 'reviews', '/', [['x-a', '1']]));
  stream.bodies.request = new BodyBuffer();
  stream.bodies.request.append(Buffer.from('hello'));
  const open = () => ({ send: () => true, giveUp: () => undefined });
  const found = { service: 'authz.default.svc.cluster.local', call: () => () => undefined, open };
  const upstreams = { find: (name: string) => (name === 'authz' ? found : null) };
  return new Calls(guest(), stream, { configuration: Buffer.from('plugin') }, null, { upstreams });
}

/** The right call with some parameters replaced. */
function replaced(parameters: Parameters, index: number, value: number): (number | bigint)[] {
  return parameters.map((right, at) => (at === index ? value : right));
}

test('there is a row for every function of the ABI, with as many parameters', () => {
  assert.deepEqual(Object.keys(ROWS).sort(), Object.keys(HOST_FUNCTIONS).sort());
  const calls = opened();
  for (const [name, row] of Object.entries(ROWS)) {
    assert.equal(row.call(calls).length, HOST_FUNCTIONS[name].length, name);
  }
});

for (const [name, row] of Object.entries(ROWS)) {
  describe(name, () => {
    test('from a stream and from a root', () => {
      const calls = opened();
      assert.equal(calls.env(name, ...row.call(calls)), row.status ?? OK);
      const other = opened();
      other.as(other.plugin.root);
      assert.equal(other.env(name, ...row.call(other)), row.root ?? row.status ?? OK);
    });

    test('with pointers, lengths, ids and kinds that are wrong', () => {
      const calls = opened();
      const right = row.call(calls);
      for (const index of row.memory ?? []) {
        for (const bad of [FAR, WRAPPING, -1]) {
          const status = calls.env(name, ...replaced(right, index, bad));
          assert.equal(status, INVALID_MEMORY_ACCESS, `parameter ${index} is ${bad}`);
        }
      }
      for (const [index, value, status] of row.wrong ?? []) {
        assert.equal(calls.env(name, ...replaced(right, index, value)), status, `parameter ${index} is ${value}`);
      }
      assert.equal(calls.env(name, ...right), row.status ?? OK, 'the right call still is');
    });

    test('while starting and while allocating', () => {
      const types = [...HOST_FUNCTIONS[name]].map((type) => (type === 'I' ? 'i64' : 'i32'));
      const constants = types.map((type) => `(${type}.const 0)`).join(' ');
      const bytes = guest({
        imports: env(name, types.join(' ')),
        body: `(func (export "_initialize") (drop (call $${name} ${constants})))`,
      });
      const start = () => void runtimeFor().runtime.configure(specFor(bytes));
      if (row.always) start();
      else assert.throws(start, new RegExp(`${name} was called while starting`));

      const calls = opened();
      const right = row.call(calls);
      calls.instance.stage = 'allocating';
      if (row.always) assert.equal(calls.env(name, ...right), OK);
      else assert.throws(() => calls.env(name, ...right), new RegExp(`${name} was called while allocating memory`));
    });
  });
}
