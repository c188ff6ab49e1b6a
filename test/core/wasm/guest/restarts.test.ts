// Deaths of guests are counted, whoever takes the place of the one that died.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../../../../core/http/head.ts';
import { guest } from '../guests.ts';
import { runtimeFor, specFor, TestStream } from '../harness.ts';

const traps = (note: string): Buffer =>
  Buffer.from(
    guest({
      body: `(func (export "${note}"))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))`,
    }),
  );

const BYTES = traps('one');

/** A plugin whose guest died, before it is started again. */
function fallen() {
  const counted: string[] = [];
  const { runtime } = runtimeFor({ now: () => 0, restarted: (name, reason) => void counted.push(`${name} ${reason}`) });
  const spec = specFor(BYTES);
  const plugin = runtime.configure(spec);
  const stream = new TestStream(Head.request('GET', 'a', '/', []));
  const filter = plugin.open(stream, null);
  filter.head('request', stream.requestHead, true);
  filter.done();
  assert.deepEqual(counted, []);
  return { counted, runtime, spec, plugin };
}

test('a new configuration that starts the machine again counts as its restart, once', () => {
  const { counted, runtime, spec, plugin } = fallen();
  runtime.configure({ ...spec, configuration: Buffer.from('new') });
  runtime.retire(plugin);
  assert.deepEqual(counted, ['test trap']);
  assert.deepEqual(
    runtime.dump().map(({ running, restarts }) => [running, restarts]),
    [[true, 1]],
  );
  runtime.stop();
});

test('one that another module replaces, or nobody, is counted when it goes', () => {
  const { counted, runtime, plugin } = fallen();
  runtime.configure(specFor(traps('two')));
  assert.deepEqual(counted, []);
  runtime.retire(plugin);
  assert.deepEqual(counted, ['test trap']);
  runtime.stop();
});

test('one that lives is not counted when it goes', () => {
  const { counted, runtime, plugin } = fallen();
  plugin.open(new TestStream(Head.request('GET', 'a', '/', [])), null).done();
  assert.deepEqual(counted, ['test trap'], 'by its own restart');
  runtime.retire(plugin);
  assert.deepEqual(counted, ['test trap']);
  runtime.stop();
});
