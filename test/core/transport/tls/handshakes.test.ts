// How many handshakes there may be at a time, and who makes room for others.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { TICKET_BYTES } from '../../../../core/transport/tls/credentials.ts';
import { Handshakes, type Secured } from '../../../../core/transport/tls/handshakes.ts';
import type { TlsFacts } from '../../../../core/transport/transport.ts';
import { helloOf } from '../../../path/gateway-clients.ts';
import { eventually } from '../../../until.ts';
import { type Pair, type WebAuthority, webAuthority } from '../../../web-certificates.ts';

const closers: (() => void)[] = [];
let authority: WebAuthority;
let pair: Pair;
before(async () => {
  authority = await webAuthority();
  pair = await authority.issue(['a.test']);
});
after(() => {
  for (const close of closers) close();
});

/** Two at a time; `outcomes` in the order in which they end. */
async function twoAtATime(
  stalledMs: number,
): Promise<{ port: number; arrived(count: number): Promise<void>; outcomes: string[] }> {
  const handshakes = new Handshakes({ most: 2, stalledMs, judge: () => ({}) as TlsFacts });
  handshakes.adopt({ cert: pair.cert, key: pair.key }, randomBytes(TICKET_BYTES));
  const outcomes: string[] = [];
  const waiting: { count: number; resolve(): void }[] = [];
  let seen = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    closers.push(() => socket.destroy());
    handshakes.accept(socket, (secured: Secured) => {
      outcomes.push(secured.socket === null ? secured.reason : 'done');
      secured.socket?.on('error', () => undefined).end('welcome');
    });
    seen++;
    for (const { count, resolve } of waiting) if (seen >= count) resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return {
    port: (server.address() as AddressInfo).port,
    outcomes,
    arrived: (count) =>
      seen >= count ? Promise.resolve() : new Promise((resolve) => waiting.push({ count, resolve })),
  };
}

function stall(port: number, hello: Buffer): { socket: Socket; closed: Promise<void> } {
  const socket = connectTcp(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  socket.write(hello);
  closers.push(() => socket.destroy());
  return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve())) };
}

function welcomed(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const client = connect({ host: '127.0.0.1', port, servername: 'a.test', ca: authority.ca });
    client.on('data', (chunk) => {
      text += chunk;
    });
    client.on('error', () => undefined);
    client.on('close', () => resolve(text));
  });
}

test('of too many handshakes the one that has taken the longest makes room for who comes', async () => {
  const { port, outcomes, arrived } = await twoAtATime(0);
  const hello = await helloOf();
  const first = stall(port, hello);
  await arrived(1);
  const second = stall(port, hello);
  await arrived(2);
  assert.equal(await welcomed(port), 'welcome');
  await first.closed;
  assert.deepEqual(outcomes, ['too many handshakes are under way', 'done']);
  second.socket.destroy();
});

test('where none has taken long, who comes is the one too many', async () => {
  const { port, outcomes, arrived } = await twoAtATime(60_000);
  const hello = await helloOf();
  const stalled = [stall(port, hello), stall(port, hello)];
  await arrived(2);
  assert.equal(await welcomed(port), '');
  assert.deepEqual(outcomes, ['too many handshakes are under way']);
  stalled[0].socket.destroy();
  await stalled[0].closed;
  await eventually(() => assert.equal(outcomes.length, 2));
  assert.equal(await welcomed(port), 'welcome');
});
