// Bytes through two sidecars: what arrives whole, how either side's end and fault reach the other, and what is recorded.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane, startTcp } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { factsOf, peerAuthentication } from './mtls-rules.ts';

const CALLER = '127.44.0.1';
const SERVER = '127.44.0.2';
const DB = 'orders-db:5432';

let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;
let facts: ReturnType<typeof factsOf> | null = null;
/** What the application does with a connection. */
let serve: (socket: Socket) => void = () => undefined;
const closers: (() => unknown)[] = [];

const at = (id: string, address: string, port: number, services: string[]) => ({
  ...{ id, name: `${id}-1`, workload: id, namespace: 'default', serviceAccount: id, trustDomain: 'cluster.local' },
  ...{ labels: { app: id }, services, address, port, appPort: 5432, weight: 1, locality: '', tls: true },
});

const rule = (policy: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: orders-db }
spec: { host: orders-db, trafficPolicy: ${policy} }`;

before(async () => {
  authority = await testAuthority();
  closers.push(authority.close);
  const app = await startTcp((socket) => serve(socket));
  Object.assign(app.server, { allowHalfOpen: true });
  closers.push(app.close);
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'orders-db' }, serviceAccount: 'orders-db', services: ['orders-db'] },
    ...{ appPort: app.port, appProtocol: 'tcp' },
    sink: { connectionEnded: (record) => (facts = factsOf(record)) },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'shop' }, serviceAccount: 'shop' },
    upstreams: [DB, 'nobody:1'],
  });
  closers.push(server.close, caller.close);
  server.plane.setIdentity(await authority.identity('orders-db'));
  caller.plane.setIdentity(await authority.identity('shop'));
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  facts = null;
  serve = (socket) => socket.pipe(socket);
  const all = [at('shop', CALLER, 0, []), at('orders-db', SERVER, server.ports.inbound, ['orders-db'])];
  for (const plane of [server, caller]) {
    plane.unconfigure();
    plane.told(all);
    plane.records.length = 0;
  }
});

function open(port = caller.upstreams[DB], address = '127.0.0.1'): Socket {
  const socket = connect({ port, host: address, allowHalfOpen: true });
  closers.push(() => socket.destroy());
  return socket;
}

interface Heard {
  readonly socket: Socket;
  text: string;
  ended: boolean;
  closed: boolean;
  error: string;
}

function hear(socket: Socket): Heard {
  const heard: Heard = { socket, text: '', ended: false, closed: false, error: '' };
  socket.on('data', (chunk) => {
    heard.text += chunk.toString('latin1');
  });
  socket.on('end', () => {
    heard.ended = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    heard.error = error.code ?? error.message;
  });
  socket.on('close', () => {
    heard.closed = true;
  });
  return heard;
}

test('bytes go both ways over mutual TLS, and half a connection stays open', async () => {
  const heardBy: string[] = [];
  serve = (socket) => {
    const request = hear(socket);
    socket.on('end', () => {
      heardBy.push(request.text);
      // The client has said its last word long ago.
      setTimeout(() => socket.end(`bye ${request.text.length}`), 50);
    });
  };
  const heard = hear(open());
  heard.socket.write('SELECT 1');
  heard.socket.end('x'.repeat(300_000));
  await until('the answer after the end', () => heard.ended);
  assert.equal(heard.text, 'bye 300008');
  assert.equal(heardBy[0].slice(0, 8), 'SELECT 1');
  await caller.ended(1);
  await server.ended(1);
  for (const { records } of [caller, server]) {
    const [{ code, flags, received, sent }] = records;
    assert.deepEqual([code, flagNames(flags), received, sent], [0, '-', 300_008, 10]);
  }
  assert.equal(caller.records[0].cluster, 'outbound|5432||orders-db.default.svc.cluster.local');
  assert.equal(caller.records[0].upstream, `${SERVER}:${server.ports.inbound}`);
  assert.equal(server.records[0].principal, 'cluster.local/ns/default/sa/shop');
  assert.equal(facts?.['connection.mtls'], true);
  assert.equal(facts?.['connection.requested_server_name'], 'outbound_.5432_._.orders-db.default.svc.cluster.local');
});

test('a server that speaks first is heard, in plain text too, where mutual TLS need not be', async () => {
  serve = (socket) => socket.write('220 ready');
  const heard = [hear(open()), hear(open(server.ports.inbound, SERVER))];
  await until('greetings', () => heard.every(({ text }) => text === '220 ready'));
  for (const { socket } of heard) socket.destroy();
  server.apply(peerAuthentication('STRICT'));
  const refused = hear(open(server.ports.inbound, SERVER));
  refused.socket.write('hello');
  await until('a refusal', () => refused.ended || refused.closed);
  assert.equal(refused.text, '');
});

test('who breaks off in the middle is seen to break off by the other side', async () => {
  let accepted: Heard | null = null;
  serve = (socket) => {
    accepted = hear(socket);
    socket.write('half');
  };
  const first = hear(open());
  await until('a first half', () => first.text === 'half');
  accepted!.socket.resetAndDestroy();
  await until('the reset', () => first.closed);
  assert.equal(first.error, 'ECONNRESET');
  const second = hear(open());
  await until('another first half', () => second.text === 'half');
  second.socket.resetAndDestroy();
  await until('the reset', () => accepted!.closed);
  assert.equal(accepted!.error, 'ECONNRESET');
  await caller.ended(2);
});

test('a side that takes nothing stops the one that sends, and gets all of it in the end', async () => {
  let accepted: Socket | null = null;
  let arrived = 0;
  serve = (socket) => {
    accepted = socket.pause();
    socket.on('data', (chunk) => {
      arrived += chunk.length;
    });
    socket.pause();
    socket.on('end', () => socket.end('all'));
  };
  const heard = hear(open());
  const piece = Buffer.alloc(1 << 20, 'abcdefg');
  let written = 0;
  const write = (): void => {
    while (written < 64 && heard.socket.write(piece)) written++;
    if (written < 64) {
      written++;
      heard.socket.once('drain', write);
    } else heard.socket.end();
  };
  write();
  let last = -1;
  // It stands still: what the kernels and the two proxies hold is full.
  await until('no more to be taken', async () => {
    const before = last;
    last = heard.socket.bytesWritten - heard.socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return last > 0 && before === last;
  });
  assert.ok(last < 48 << 20, `${last} bytes were taken for somebody who takes none`);
  accepted!.resume();
  await until('the last word', () => heard.text === 'all');
  assert.equal(arrived, 64 << 20);
});

test('another endpoint is tried where one takes no connection; where none does, the line says so', async () => {
  serve = (socket) => socket.end('here');
  const gone = { ...at('gone', SERVER, 1, ['orders-db']), tls: false };
  const there = at('orders-db', SERVER, server.ports.inbound, ['orders-db']);
  caller.told([at('shop', CALLER, 0, []), gone, there]);
  for (let i = 1; i <= 4; i++) {
    const heard = hear(open());
    await until('the answer', () => heard.text === 'here');
    heard.socket.end();
    await caller.ended(i);
  }
  assert.ok(caller.records.some(({ attempts }) => attempts === 2));
  caller.told([gone]);
  const heard = hear(open());
  await until('it is closed', () => heard.closed || heard.ended);
  await caller.ended(5);
  assert.equal(flagNames(caller.records[4].flags), 'UF,URX');
});

test('nobody there is UH, no such service NC, and more connections than there may be UO', async () => {
  caller.told([]);
  const services = `
apiVersion: v1
kind: Service
metadata: { name: orders-db }
spec: { selector: { app: orders-db }, ports: [{ name: tcp-pg, port: 5432 }] }`;
  caller.apply(services);
  const flagsOf = async (port: number, nth: number): Promise<string> => {
    const heard = hear(open(port));
    await caller.ended(nth);
    heard.socket.destroy();
    return flagNames(caller.records[nth - 1].flags);
  };
  assert.equal(await flagsOf(caller.upstreams[DB], 1), 'UH');
  assert.equal(await flagsOf(caller.upstreams['nobody:1'], 2), 'NC');
  caller.unconfigure();
  caller.told([at('orders-db', SERVER, server.ports.inbound, ['orders-db'])]);
  caller.apply(rule('{ connectionPool: { tcp: { maxConnections: 1 } } }'));
  const one = hear(open());
  one.socket.write('a');
  await until('an echo', () => one.text === 'a');
  assert.equal(await flagsOf(caller.upstreams[DB], 3), 'UO');
  one.socket.end();
  await caller.ended(4);
  const other = hear(open());
  other.socket.write('b');
  await until('room again', () => other.text === 'b');
  other.socket.destroy();
});

test('a connection on which nothing moves ends, one that moves does not, nor by a change of configuration', async () => {
  caller.apply(rule('{ connectionPool: { tcp: { idleTimeout: 2s } } }'));
  const [idle, busy] = [hear(open()), hear(open())];
  const beat = setInterval(() => busy.socket.write('.'), 100);
  closers.push(() => clearInterval(beat));
  await until('the idle one ends', () => idle.ended || idle.closed);
  caller.unconfigure();
  const before = busy.text.length;
  await until('the other goes on', () => busy.text.length > before + 5);
  assert.equal(busy.closed, false);
  clearInterval(beat);
  busy.socket.destroy();
});

test('a proxy that drains lets what moves go on, and ends what does not', async () => {
  const address = '127.44.0.3';
  const plane = await startDataPlane({ address, upstreams: [DB] });
  closers.push(plane.close);
  plane.told([{ ...at('orders-db', SERVER, server.ports.inbound, ['orders-db']), tls: false }]);
  const [idle, busy] = [hear(open(plane.upstreams[DB])), hear(open(plane.upstreams[DB]))];
  idle.socket.write('a');
  busy.socket.write('a');
  await until('both are there', () => idle.text === 'a' && busy.text === 'a');
  const beat = setInterval(() => busy.socket.write('.'), 50);
  closers.push(() => clearInterval(beat));
  const drained = plane.plane.drain();
  await until('the idle one ends', () => idle.ended || idle.closed);
  assert.equal(busy.closed || busy.ended, false);
  clearInterval(beat);
  busy.socket.end();
  await drained;
});
