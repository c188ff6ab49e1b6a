import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { freePort } from '../../../bench/ports.ts';
import { Dialer } from '../../../core/transport/dial.ts';
import { Peers } from '../../../core/transport/peers.ts';
import { CertifiedSockets } from '../../../core/transport/tls/certified-sockets.ts';
import { OutboundTls } from '../../../core/transport/tls/outbound.ts';
import type { Transport } from '../../../core/transport/transport.ts';
import { listen } from '../http1/rig.ts';

test('a connection is given once it is there, and knows both of its ends', async (t) => {
  const server = createServer();
  await listen(server);
  t.after(() => server.close());
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const { promise, resolve, reject } = Promise.withResolvers<Transport>();
  const { port } = server.address() as AddressInfo;
  new Dialer('', new Peers(), new OutboundTls(new CertifiedSockets())).dial('127.0.0.1', port, resolve, (text) =>
    reject(new Error(text)),
  );
  const transport = await promise;
  const [socket] = await accepted;
  assert.deepEqual(
    [transport.remoteAddress, transport.remotePort, transport.localAddress, transport.localPort],
    ['127.0.0.1', port, '127.0.0.1', socket.remotePort],
  );
  assert.equal(transport.writable, true);
  transport.destroy();
  socket.destroy();
});

test('where nobody listens, what the system said is told and no connection is given', async () => {
  const port = await freePort();
  const failed = await new Promise<string>((resolve, reject) => {
    new Dialer('', new Peers(), new OutboundTls(new CertifiedSockets())).dial(
      '127.0.0.1',
      port,
      () => reject(new Error('connected')),
      resolve,
    );
  });
  assert.equal(failed, `connect ECONNREFUSED 127.0.0.1:${port}`);
});

test('a workload calls others from its own loopback address, and everybody else from any', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const [to, from] of [
    ['127.7.0.2', '127.7.0.1'],
    ['127.0.0.1', '127.0.0.1'],
  ]) {
    const { promise, resolve, reject } = Promise.withResolvers<Transport>();
    new Dialer('127.7.0.1', new Peers(), new OutboundTls(new CertifiedSockets())).dial(to, port, resolve, (text) =>
      reject(new Error(text)),
    );
    const transport = await promise;
    assert.equal(transport.localAddress, from);
    transport.destroy();
  }
});
