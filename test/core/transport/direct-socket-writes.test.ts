import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { DirectWrites, handleOf, streamBase } from '../../../core/transport/direct-socket.ts';

const NEVER = (): void => {};

test('the Node that the project pins has the stream below its sockets', async (t) => {
  assert.notEqual(streamBase, null);
  const { near } = await pair(t);
  assert.notEqual(handleOf(near), null);
});

test('a small message is taken at once', async (t) => {
  const { near, far } = await pair(t);
  const writes = DirectWrites.on(near, () => assert.fail('nothing was left waiting'), NEVER)!;
  assert.equal(writes.write(Buffer.from('hello'), 5), true);
  assert.equal(writes.queued, 0);
  assert.equal(String((await once(far, 'data'))[0]), 'hello');
});

test('what a slow reader leaves waiting arrives whole and in order, and is told when it is through', async (t) => {
  const { near, far } = await pair(t);
  far.pause();
  let taken = 0;
  const writes = DirectWrites.on(near, () => taken++, NEVER)!;
  const pieces = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1 << 20, i));
  let waiting = 0;
  for (let i = 0; i < 40; i += 2) if (!writes.write([pieces[i], pieces[i + 1]], 2 << 20)) waiting++;
  assert.ok(waiting > 10, `${waiting} writes wait`);
  assert.equal(writes.queued, waiting * (2 << 20));
  near.end();
  const received: Buffer[] = [];
  far.on('data', (chunk: Buffer) => received.push(chunk));
  far.resume();
  await once(far, 'end');
  assert.ok(Buffer.concat(received).equals(Buffer.concat(pieces)));
  assert.equal(writes.queued, 0);
  assert.equal(taken, waiting);
});

test('a connection that is lost while bytes wait is closed, or says so once to who does not read it', async (t) => {
  const { near, far } = await pair(t);
  near.on('error', NEVER);
  far.pause();
  let lost = 0;
  const told = Promise.withResolvers<void>();
  const closed = new Promise((resolve) => near.once('close', resolve));
  const writes = DirectWrites.on(near, NEVER, () => {
    lost++;
    told.resolve();
  })!;
  while (writes.write(Buffer.alloc(1 << 20), 1 << 20));
  far.resetAndDestroy();
  await Promise.race([told.promise, closed]);
  assert.equal(writes.write(Buffer.from('late'), 4), false);
  assert.ok(lost <= 1);
});

test('what the peer sent before it was lost can be read after a write that failed', async (t) => {
  const { near, far } = await pair(t);
  const lost = Promise.withResolvers<void>();
  const writes = DirectWrites.on(near, NEVER, () => lost.resolve())!;
  near.pause();
  far.write('the answer');
  const gone = once(far, 'close');
  far.resetAndDestroy();
  await gone;
  while (writes.write(Buffer.from('more'), 4));
  await lost.promise;
  near.resume();
  assert.equal(String((await once(near, 'data'))[0]), 'the answer');
});

test('what is no socket of the system is written to as such', () => {
  assert.equal(DirectWrites.on(new PassThrough() as unknown as Socket, NEVER, NEVER), null);
});

async function pair(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(near, 'connect');
  const [far] = (await accepted) as [Socket];
  far.on('error', () => {});
  t.after(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return { near, far };
}
