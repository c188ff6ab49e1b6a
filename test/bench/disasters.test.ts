import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disasters } from '../../bench/disasters/disasters.ts';
import { endure } from '../../bench/disasters/run.ts';

test('a mesh whose nats-server is killed under load fails no request, loses nothing, and takes changes again', async () => {
  const { requests, failed, reasons, whole } = await endure(disasters[0], () => {});
  assert.ok(requests > 0);
  assert.deepEqual([failed, reasons, whole], [0, [], true]);
});
