// WebSockets as the library ws speaks them, on both sides of two sidecars with certificates: by the proxy's own way to ask, and in a
// tunnel, as libraries ask a proxy.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane } from './data-plane.ts';
import { testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

const CALLER = '127.58.0.1';
const SERVER = '127.58.0.2';

const closers: (() => unknown)[] = [];
let caller: RunningDataPlane;
let server: RunningDataPlane;
/** Connections that the application has, and how those ended that it had. */
const open = new Set<WebSocket>();
const ended: string[] = [];

before(async () => {
  const authority = await testAuthority();
  const app = new WebSocketServer({
    ...{ host: '127.0.0.1', port: 0, perMessageDeflate: { threshold: 0 }, maxPayload: 8 << 20 },
    handleProtocols: (protocols) => (protocols.has('chat') ? 'chat' : false),
  });
  app.on('connection', (socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('message', (message, binary) => socket.send(message, { binary }));
    socket.on('close', (code, reason) => {
      open.delete(socket);
      ended.push(`${code} ${reason}`);
    });
  });
  await once(app, 'listening');
  const { port } = app.address() as { port: number };
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'details' }, serviceAccount: 'bookinfo-details', appPort: port },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'productpage' }, serviceAccount: 'bookinfo-productpage' },
  });
  server.plane.setIdentity(await authority.identity('bookinfo-details'));
  caller.plane.setIdentity(await authority.identity('bookinfo-productpage'));
  for (const { told } of [server, caller]) {
    told([workload('productpage', CALLER, 0, []), workload('details', SERVER, server.ports.inbound, ['details'])]);
  }
  closers.push(authority.close, server.close, caller.close, () => app.close());
});

after(async () => {
  for (const each of open) each.terminate();
  for (const close of closers.reverse()) await close();
});

const dial = (): Socket => connect(caller.ports.outbound, CALLER);

/** A connection that leads to the service, whatever is asked for in it. */
async function tunnel(): Promise<Socket> {
  const socket = dial();
  socket.write('CONNECT details:9080 HTTP/1.1\r\nHost: details:9080\r\n\r\n');
  const [answer] = await once(socket, 'data');
  assert.match(`${answer}`, /^HTTP\/1\.1 200 /);
  return socket;
}

async function client(options: ClientOptions & { over?: Socket } = {}): Promise<WebSocket> {
  const { over = dial(), ...rest } = options;
  const socket = new WebSocket('ws://details:9080/chat', ['other', 'chat'], { createConnection: () => over, ...rest });
  await once(socket, 'open');
  return socket;
}

for (const [way, dialled] of [
  ['its own connection to the proxy', async () => dial()],
  ['a tunnel', tunnel],
] as const) {
  test(`messages of every size and kind come back as they were, by ${way}`, async () => {
    const socket = await client({ over: await dialled() });
    assert.deepEqual([socket.protocol, socket.extensions], ['chat', 'permessage-deflate']);
    for (const message of ['', 'hello', 'ü'.repeat(40_000), Buffer.alloc(0), Buffer.alloc(2 << 20, 'bytes')]) {
      socket.send(message);
      const [answer, binary] = (await once(socket, 'message')) as [Buffer, boolean];
      assert.equal(binary, typeof message !== 'string');
      assert.ok(answer.equals(Buffer.from(message)), `${message.length}`);
    }
    socket.close(1000);
    await once(socket, 'close');
  });
}

test('messages in pieces, without compression, and pings between them', async () => {
  const socket = await client({ perMessageDeflate: false });
  assert.equal(socket.extensions, '');
  const pong = once(socket, 'pong');
  const message = once(socket, 'message');
  socket.send('one ', { fin: false });
  socket.ping('there?');
  socket.send('two ', { fin: false });
  socket.send('three', { fin: true });
  assert.equal(`${(await pong)[0]}`, 'there?');
  assert.equal(`${(await message)[0]}`, 'one two three');
  socket.close();
  await once(socket, 'close');
});

test('either side’s code and reason reach the other, and so does an end without any', async () => {
  ended.length = 0;
  const leaves = await client();
  leaves.close(4001, 'enough');
  assert.deepEqual((await once(leaves, 'close'))[0], 4001);
  await until('the application has heard it', () => ended.length === 1);
  const left = await client();
  for (const each of open) each.close(1012, 'restarts');
  const [code, reason] = await once(left, 'close');
  assert.deepEqual([code, `${reason}`], [1012, 'restarts']);
  await until('the application is done', () => ended.length === 2);
  const gone = await client();
  gone.terminate();
  await until('the application sees it gone', () => ended.length === 3);
  assert.deepEqual(ended, ['4001 enough', '1012 restarts', '1006 ']);
});

test('a message that is too large ends it with the application’s code', async () => {
  const socket = await client({ perMessageDeflate: false });
  socket.on('error', () => undefined);
  socket.send(Buffer.alloc(9 << 20));
  assert.equal((await once(socket, 'close'))[0], 1009);
});

test('many at a time keep apart', async () => {
  const sockets = await Promise.all(Array.from({ length: 20 }, () => client()));
  const answers = sockets.map((socket) => once(socket, 'message'));
  for (const [i, socket] of sockets.entries()) socket.send(`${i}`);
  assert.deepEqual(
    (await Promise.all(answers)).map(([answer]) => `${answer}`),
    sockets.map((_, i) => `${i}`),
  );
  for (const socket of sockets) socket.close();
  await until('all are over', () => open.size === 0);
  const { code, principal } = server.records[0];
  assert.deepEqual([code, principal], [101, 'cluster.local/ns/default/sa/bookinfo-productpage']);
});
