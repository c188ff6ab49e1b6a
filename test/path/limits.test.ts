import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { exchangeBytes, serviceEntry, startApp, startDataPlane, startTcp } from './data-plane.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers) await close();
});

test('above the limit of requests under way the next one is shed with 503 and Retry-After', async () => {
  const hanging = await startTcp((socket) => socket.resume());
  const mesh = await startDataPlane({ maxActiveRequests: 1 });
  closers.push(hanging.close, mesh.close);
  const socket = connect(mesh.ports.outbound, '127.0.0.1');
  socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${hanging.port}\r\n\r\n`);
  await new Promise<void>((resolve) => hanging.server.once('connection', () => resolve()));
  const shed = await exchangeBytes(mesh.ports.outbound, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.match(shed, /^HTTP\/1\.1 503 [\s\S]*retry-after: 1\r\n/i);
  assert.equal(flagNames(mesh.records[0].flags), 'OM');
  socket.destroy();
  await mesh.ended(2);
  const app = await startApp((_request, response) => response.end('ok'));
  closers.push(app.close);
  const served = await exchangeBytes(
    mesh.ports.outbound,
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${app.port}\r\nConnection: close\r\n\r\n`,
  );
  assert.match(served, /^HTTP\/1\.1 200 /);
});

test('an https target is refused plainly, not sent in the clear: its client has to make a tunnel', async () => {
  const mesh = await startDataPlane();
  closers.push(mesh.close);
  const head = 'GET https://a.example/ HTTP/1.1\r\nHost: a.example';
  const answer = await exchangeBytes(mesh.ports.outbound, `${head}\r\nConnection: close\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 501 [\s\S]*https goes through this proxy in a tunnel: CONNECT$/);
});

test('a client that leaves is noticed though it had sent more than was read', async () => {
  const hanging = await startTcp((socket) => socket.resume());
  const mesh = await startDataPlane();
  closers.push(hanging.close, mesh.close);
  const socket = connect(mesh.ports.outbound, '127.0.0.1');
  const host = `Host: 127.0.0.1:${hanging.port}\r\n`;
  socket.write(
    `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\nPOST / HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`,
  );
  await new Promise<void>((resolve) => hanging.server.once('connection', () => resolve()));
  socket.destroy();
  await mesh.ended(1);
  assert.equal(flagNames(mesh.records[0].flags), 'DC');
});

test('limits of connections hold over all endpoints of a cluster: one request is served, one waits, others are 503 UO', async () => {
  const held: (() => void)[] = [];
  let arrived = (): void => {};
  const apps = await Promise.all(
    [1, 2].map(() =>
      startApp((_request, response) => {
        held.push(() => response.end('ok'));
        arrived();
      }),
    ),
  );
  const mesh = await startDataPlane({
    yaml: [
      serviceEntry('shop.example', ...apps.map(({ port }) => port)),
      `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec:
  host: shop.example
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}
`,
    ],
  });
  closers.push(mesh.close, ...apps.map(({ close }) => close));
  const ask = (): Promise<string> =>
    exchangeBytes(mesh.ports.outbound, 'GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n');
  const reached = (): Promise<void> => new Promise((resolve) => (arrived = resolve));
  const first = reached();
  const answers = [ask()];
  await first;
  answers.push(...Array.from({ length: 6 }, ask));
  await mesh.ended(5);
  assert.deepEqual(
    mesh.records.map(({ code, flags }) => [code, flagNames(flags)]),
    Array(5).fill([503, 'UO']),
  );
  const second = reached();
  held[0]();
  await second;
  held[1]();
  const codes = (await Promise.all(answers)).map((answer) => answer.slice(9, 12));
  assert.deepEqual(codes.toSorted(), ['200', '200', ...Array(5).fill('503')]);
});
