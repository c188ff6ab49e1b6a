import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { exchangeBytes, startApp, startDataPlane, startTcp } from './data-plane.ts';

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

test('https through the outbound port is refused plainly, not sent in the clear', async () => {
  const mesh = await startDataPlane();
  closers.push(mesh.close);
  for (const head of [
    'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443',
    'GET https://a.example/ HTTP/1.1\r\nHost: a.example',
  ]) {
    const answer = await exchangeBytes(mesh.ports.outbound, `${head}\r\nConnection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 501 [\s\S]*https through this proxy is not supported yet$/);
  }
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
