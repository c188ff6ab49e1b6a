// Changes and states as they lie in objects, written and read a few at a time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  changeText,
  inlinePack,
  pack,
  packInline,
  stateText,
  unpackChange,
  unpackState,
} from '../../../bus/log/packs.ts';

const stored = (count: number, note = '') =>
  Array.from({ length: count }, (_, n) => ({
    key: `VirtualService/default/n${n}`,
    body: { metadata: { name: `n${n}` }, spec: { note: `${note}\n],\n"é` } },
  }));

test('what is packed comes back, however much it is', async () => {
  for (const upserts of [[], stored(1), stored(2), stored(3_000, 'x'.repeat(200))]) {
    for (const removals of [[], ['Service/default/a\n', 'Service/default/b']]) {
      const packed = await pack(await changeText({ upserts, removals }));
      assert.deepEqual(await unpackChange(packed), { removals, upserts });
      assert.deepEqual(JSON.parse(String(gunzipSync(packed))), { removals, upserts }, 'it is JSON for older readers');
    }
    const state = await pack(await stateText(upserts));
    assert.deepEqual(
      [...(await unpackState(state))],
      upserts.map(({ key, body }) => [key, body]),
    );
  }
});

test('what a message carries itself comes back, and a digest is none', async () => {
  const change = { upserts: stored(30), removals: ['Service/default/a'] };
  const packed = await packInline(await changeText(change));
  assert.deepEqual(await unpackChange(inlinePack(packed)!), change);
  assert.equal(inlinePack(`sha256:${'0'.repeat(64)}`), null);
});

test('what was packed without lines is read', async () => {
  const upserts = stored(3);
  const change = { upserts, removals: ['Service/default/a'] };
  assert.deepEqual(await unpackChange(gzipSync(JSON.stringify(change))), change);
  assert.equal((await unpackState(gzipSync(JSON.stringify(upserts)))).size, 3);
});

test('what is no change or state is told, also on a line', async () => {
  for (const text of ['{}', '[]', '{"upserts":[{}],"removals":[]}', '{"removals":[],"upserts":[\n{"key":1}\n]}']) {
    await assert.rejects(unpackChange(gzipSync(text)), /the object is no change/, text);
  }
  for (const text of ['{}', '[1]', '[\n{"body":1}\n]']) {
    await assert.rejects(unpackState(gzipSync(text)), /the object is no state/, text);
  }
});
