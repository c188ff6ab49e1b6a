import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ConnectionOwner } from '../../../../core/tcp/network-filter.ts';
import type { WasmConnection } from '../../../../core/wasm/guest/connection.ts';
import { Calls } from '../calls.ts';
import { env, guest } from '../guests.ts';
import { recordFor } from '../harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
/** After which a guest that does not say that it is done is not waited for. */
const DEADLINE_MS = 10_000;

/** Is never done by itself; logs 'x' and its number when a context is deleted. */
const patient = (): Uint8Array =>
  guest({
    imports: env('proxy_log', 'i32 i32 i32'),
    body: `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
      (func (export "proxy_on_done") (param i32) (result i32) (i32.const 0))
      (func (export "proxy_on_delete") (param $context i32)
        (i32.store8 (i32.const 16) (i32.const 120))
        (i32.store8 (i32.const 17) (i32.add (i32.const 48) (local.get $context)))
        (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 2))))`,
  });

/** One stream has ended, and its context (2; the root is 1) waits. */
function opened(): Calls {
  const calls = new Calls(patient());
  calls.end();
  calls.context.head('request', calls.stream.requestHead, true);
  calls.context.done();
  return calls;
}

const deleted = (calls: Calls): string[] => calls.lines.map(({ message }) => message.replace('test: ', ''));
const streams = ({ runtime }: Calls): number | undefined => runtime.dump()[0]?.streams;

describe('a guest that is not done when a stream ends', () => {
  test('keeps the context, which may be spoken of, until it says proxy_done; once', async () => {
    const calls = opened();
    await turn();
    assert.deepEqual([deleted(calls), streams(calls)], [[], 1]);

    calls.as(calls.plugin.root);
    assert.equal(calls.env('proxy_set_effective_context', calls.context.id), OK);
    assert.equal(calls.header(0, ':path'), NOT_FOUND, 'the exchange is over');
    assert.equal(calls.env('proxy_send_local_response', 200, 0, 0, 0, 0, 0, 0, -1), BAD_ARGUMENT);
    assert.equal(calls.env('proxy_done'), OK);
    assert.equal(calls.env('proxy_done'), NOT_FOUND, 'it is done already');
    calls.end();
    assert.deepEqual(deleted(calls), [], 'not within the callback that says so');
    await turn();
    assert.deepEqual([deleted(calls), streams(calls)], [['x2'], 0]);
    assert.equal(calls.as(calls.plugin.root).env('proxy_set_effective_context', 2), BAD_ARGUMENT);
    calls.end();
    calls.runtime.stop();
  });

  test('loses it after ten seconds', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const calls = opened();
    t.mock.timers.tick(DEADLINE_MS - 1);
    await turn();
    assert.deepEqual([deleted(calls), streams(calls)], [[], 1]);
    t.mock.timers.tick(1);
    await turn();
    assert.deepEqual([deleted(calls), streams(calls)], [['x2'], 0]);
    assert.equal(calls.as(calls.context).env('proxy_done'), NOT_FOUND);
    calls.end();
    calls.runtime.stop();
  });

  test('holds its plugin, when that is retired, until then', async () => {
    const calls = opened();
    calls.runtime.retire(calls.plugin);
    await turn();
    assert.equal(streams(calls), 1);
    assert.equal(calls.as(calls.context).env('proxy_done'), OK);
    calls.end();
    await turn();
    assert.equal(calls.as(calls.plugin.root).env('proxy_done'), OK, 'now the root is asked, and waits as well');
    calls.end();
    await turn();
    assert.deepEqual([deleted(calls), calls.runtime.dump()], [['x2', 'x1'], []]);
    calls.runtime.stop();
  });
});

describe('a guest that is not done when a connection ends', () => {
  const owner: ConnectionOwner = {
    record: recordFor(),
    exchange: null,
    state: new Map<string, Uint8Array>(),
    resume: () => assert.fail('the connection is over'),
    close: () => assert.fail('the connection is over'),
  };

  function connected(): [Calls, WasmConnection] {
    const calls = new Calls(patient());
    calls.end();
    calls.context.done();
    const connection = calls.plugin.connect(owner);
    assert.ok(connection !== null);
    assert.ok(connection.opened());
    connection.closed('downstream', 'remote');
    connection.done();
    return [calls, connection];
  }

  test('keeps its context until it says proxy_done, and can do nothing to the connection', async () => {
    const [calls, connection] = connected();
    await turn();
    assert.deepEqual([deleted(calls), streams(calls)], [[], 1]);
    calls.as(connection);
    assert.equal(calls.env('proxy_close_stream', 2), OK);
    assert.equal(calls.env('proxy_done'), OK);
    assert.equal(calls.env('proxy_done'), NOT_FOUND);
    calls.end();
    await turn();
    assert.deepEqual([deleted(calls), streams(calls)], [['x3'], 0]);
    calls.runtime.stop();
  });

  test('loses it after ten seconds', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const [calls] = connected();
    t.mock.timers.tick(DEADLINE_MS);
    await turn();
    assert.deepEqual([deleted(calls), streams(calls)], [['x3'], 0]);
    calls.runtime.stop();
  });
});

describe('a guest that is not done when its plugin is retired', () => {
  function retired(): Calls {
    const calls = new Calls(patient());
    calls.end();
    calls.context.done();
    calls.runtime.retire(calls.plugin);
    return calls;
  }

  test('keeps its root until it says proxy_done; once', async () => {
    const calls = retired();
    await turn();
    assert.equal(calls.runtime.dump().length, 1);
    calls.as(calls.plugin.root);
    assert.equal(calls.env('proxy_done'), OK);
    assert.equal(calls.env('proxy_done'), NOT_FOUND);
    calls.end();
    await turn();
    assert.deepEqual([deleted(calls), calls.runtime.dump(), calls.instance.dead], [['x1'], [], true]);
    calls.runtime.stop();
  });

  test('loses it after ten seconds', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const calls = retired();
    t.mock.timers.tick(DEADLINE_MS - 1);
    await turn();
    assert.equal(calls.runtime.dump().length, 1);
    t.mock.timers.tick(1);
    await turn();
    assert.deepEqual([deleted(calls), calls.runtime.dump(), calls.instance.dead], [['x1'], [], true]);
    calls.runtime.stop();
  });
});
