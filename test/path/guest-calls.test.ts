import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { after, test } from 'node:test';

import { asking, type Question } from '../core/wasm/asking.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { edgeTo } from './edge.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

const ROUTES = `${edgeTo('app.example')}---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: everything }
spec: { rules: [{}] }`;

/** A gateway whose policies are the asking guest's. No route leads to the service that it asks. */
async function gatewayAsking(question: Question, authz: (request: IncomingMessage) => [number, string]) {
  const app = await startApp((request, response) => response.end(`app saw ${request.headers['x-verdict']}`));
  const asked = await startApp((request, response) => {
    const [status, body] = authz(request);
    response.writeHead(status).end(body);
  });
  const gateway = await startDataPlane({
    role: 'gateway',
    modules: { rbac: asking(question) },
    yaml: [serviceEntry('app.example', app.port), serviceEntry('authz.example', asked.port), ROUTES],
  });
  closers.push(app.close, asked.close, gateway.close);
  return gateway;
}

const get = (gateway: RunningDataPlane, path = '/'): Promise<string> =>
  exchangeBytes(gateway.ports.gateway, `GET ${path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n`);

test('a gateway’s filter asks a service that only it calls, holds the request meanwhile, and passes the verdict on', async () => {
  const heads: string[] = [];
  const gateway = await gatewayAsking({ upstream: 'authz.example', body: 'may i?' }, (request) => {
    heads.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['x-asked-by']}`);
    return [200, 'welcome'];
  });
  for (let i = 0; i < 3; i++) assert.match(await get(gateway), /^HTTP\/1.1 200 OK.*app saw welcome$/s);
  assert.deepEqual(heads, new Array(3).fill('POST /check authz guest'));
  const clusters = gateway.plane.dump('clusters') as { name: string; requests: number }[];
  assert.equal(clusters.find(({ name }) => name === 'outbound|80||authz.example')?.requests, 3);
});

test('what it asks may refuse: the client gets the filter’s answer and the application sees nothing', async () => {
  const gateway = await gatewayAsking({ upstream: 'outbound|80||authz.example' }, () => [401, 'who are you?']);
  assert.match(await get(gateway), /^HTTP\/1.1 403 .*who are you\?$/s);
  assert.equal(gateway.records[0].upstream, '');
});

test('a service that does not answer in time is no reason to wait longer', async () => {
  const stuck = await startApp(() => {});
  closers.push(stuck.close);
  const gateway = await gatewayAsking({ upstream: 'stuck.example', timeoutMs: 50 }, () => [200, '']);
  gateway.apply(serviceEntry('stuck.example', stuck.port));
  assert.match(await get(gateway), /^HTTP\/1.1 504 .*reset$/s);
});

test('a host that the mesh does not know cannot be called, and the log says so', async () => {
  const gateway = await gatewayAsking({ upstream: 'http://169.254.169.254/latest' }, () => [200, '']);
  assert.match(await get(gateway), /^HTTP\/1.1 500 .*2$/s, 'BAD_ARGUMENT');
  assert.ok(gateway.logs.some((line) => line.includes('knows no service or cluster "http://169.254.169.254/latest"')));
});

test('a client that leaves while its filter waits leaves nothing behind', async () => {
  const arrived = Promise.withResolvers<void>();
  const gateway = await gatewayAsking({ upstream: 'authz.example' }, () => {
    arrived.resolve();
    return [200, 'late'];
  });
  const { connect } = await import('node:net');
  const socket = connect(gateway.ports.gateway, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: any\r\n\r\n'));
  socket.on('error', () => undefined);
  await arrived.promise;
  socket.destroy();
  await gateway.ended(1);
  assert.match(await get(gateway), /app saw late$/);
  const [{ streams }] = gateway.plane.dump('filters') as { streams: number }[];
  assert.equal(streams, 0);
});
