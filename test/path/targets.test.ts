// Whom a request is for, through gateways, sidecars and to applications: forms of targets, Host and its absence.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startDataPlane } from './data-plane.ts';
import { OK, type Scripted, startScripted } from './scripted.ts';

let app: Scripted;
let edge: RunningDataPlane;
let open: RunningDataPlane;
let sidecar: RunningDataPlane;
const closers: (() => unknown)[] = [];

const resource = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind, metadata: { name }, spec });

const gateway = (...hosts: string[]): string =>
  resource('Gateway', 'edge', {
    selector: { istio: 'ingressgateway' },
    servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts }],
  });

const rule = (...hosts: string[]): string =>
  resource('VirtualService', 'shop', {
    hosts,
    gateways: ['edge'],
    http: [
      { match: [{ uri: { exact: '/moved' } }], redirect: { uri: '/new' } },
      { route: [{ destination: { host: 'up.example' } }] },
    ],
  });

before(async () => {
  app = await startScripted(OK);
  const up = serviceEntry('up.example', app.port);
  edge = await startDataPlane({ role: 'gateway', yaml: [up, gateway('a.example'), rule('a.example')] });
  open = await startDataPlane({ role: 'gateway', yaml: [up, gateway('*'), rule('*')] });
  sidecar = await startDataPlane({ appPort: app.port, yaml: [up], outboundPolicy: 'REGISTRY_ONLY' });
  closers.push(app.close, edge.close, open.close, sidecar.close);
});

after(async () => {
  for (const close of closers) await close();
});

/** The status of the answer, and the Host that the application got, if it was asked. */
async function ask(port: number, line: string, ...fields: string[]): Promise<[status: number, host?: string]> {
  const asked = app.requests.length;
  const lines = [line, ...fields, 'Connection: close', '', ''].join('\r\n');
  const answer = await exchangeBytes(port, lines);
  const status = Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);
  return app.requests.length === asked ? [status] : [status, app.requests.at(-1)!.headers.get('host')];
}

test('an absolute target at a gateway reaches the hosts of that gateway and no others, whatever Host says', async () => {
  const { gateway: port } = edge.ports;
  for (const host of ['a.example', 'elsewhere', '']) {
    assert.deepEqual(await ask(port, 'GET http://a.example/x HTTP/1.1', `Host: ${host}`), [200, 'a.example']);
    assert.deepEqual(await ask(port, 'GET HTTP://A.Example:/ HTTP/1.1', `Host: ${host}`), [200, 'A.Example']);
  }
  assert.deepEqual(await ask(port, 'GET http://elsewhere/x HTTP/1.1', 'Host: a.example'), [404]);
  assert.deepEqual(await ask(port, `GET http://127.0.0.1:${app.port}/ HTTP/1.1`, 'Host: a.example'), [404]);
  assert.deepEqual(await ask(open.ports.gateway, `GET http://127.0.0.1:1/ HTTP/1.1`, 'Host: a'), [200, '127.0.0.1:1']);
});

test('what was meant for TLS and did not come by it is misdirected', async () => {
  assert.deepEqual(await ask(edge.ports.gateway, 'GET https://a.example/ HTTP/1.1', 'Host: a.example'), [421]);
  assert.deepEqual(await ask(sidecar.ports.inbound, 'GET https://a.example/ HTTP/1.1', 'Host: a.example'), [421]);
  assert.deepEqual(await ask(sidecar.ports.outbound, 'GET https://up.example/ HTTP/1.1', 'Host: up.example'), [501]);
});

test('an absolute target at an inbound port is for the application behind it, wherever it leads', async () => {
  const { inbound } = sidecar.ports;
  assert.deepEqual(await ask(inbound, 'GET http://app/x HTTP/1.1', 'Host: other'), [200, 'app']);
  assert.deepEqual(await ask(inbound, 'GET http://127.0.0.1:1/ HTTP/1.1', 'Host: other'), [200, '127.0.0.1:1']);
  assert.deepEqual(await ask(inbound, 'POST http://app HTTP/1.0'), [200, 'app']);
});

test('a client of HTTP/1.0 that names no host is for everybody who takes every host', async () => {
  assert.deepEqual(await ask(open.ports.gateway, 'GET / HTTP/1.0'), [200, '']);
  assert.deepEqual(await ask(open.ports.gateway, 'GET / HTTP/1.1', 'Host:'), [200, '']);
  assert.deepEqual(await ask(sidecar.ports.inbound, 'GET / HTTP/1.0'), [200, '']);
  assert.deepEqual(await ask(edge.ports.gateway, 'GET / HTTP/1.0'), [404]);
  assert.deepEqual(await ask(edge.ports.gateway, 'GET / HTTP/1.1', 'Host:'), [404]);
});

test('a redirect of who names no host says where on the same one', async () => {
  const answer = await exchangeBytes(open.ports.gateway, 'GET /moved HTTP/1.0\r\n\r\n');
  assert.match(answer, /\r\nlocation: \/new\r\n/i);
});

test('without a host there is no way past the mesh', async (t) => {
  const any = await startDataPlane({ yaml: [serviceEntry('up.example', app.port)] });
  t.after(any.close);
  for (const { ports } of [sidecar, any]) {
    assert.deepEqual(await ask(ports.outbound, 'GET / HTTP/1.0'), [400]);
    assert.deepEqual(await ask(ports.outbound, 'GET / HTTP/1.1', 'Host:'), [400]);
  }
  assert.equal(any.records.at(-1)!.details, 'missing_host_header');
});

test('an empty port is that of the scheme', async () => {
  assert.deepEqual(await ask(edge.ports.gateway, 'GET / HTTP/1.1', 'Host: a.example:'), [200, 'a.example']);
  assert.deepEqual(await ask(sidecar.ports.outbound, 'GET / HTTP/1.1', 'Host: up.example:'), [200, 'up.example']);
});

test('a method that nobody has heard of goes where any other does', async () => {
  for (const method of ['VERSION-CONTROL', 'foo', 'PLAY']) {
    assert.deepEqual(await ask(edge.ports.gateway, `${method} / HTTP/1.1`, 'Host: a.example'), [200, 'a.example']);
    assert.equal(app.requests.at(-1)!.method, method);
    assert.equal((await ask(sidecar.ports.inbound, `${method} / HTTP/1.1`, 'Host: app'))[0], 200);
  }
});

test('requests with absolute targets and without share a connection, each led by its own authority', async () => {
  const lines = [
    'GET http://a.example/ HTTP/1.1\r\nHost: elsewhere\r\n',
    'GET http://elsewhere/ HTTP/1.1\r\nHost: a.example\r\n',
    'GET / HTTP/1.1\r\nHost: a.example\r\n',
    'GET http://elsewhere/ HTTP/1.1\r\nHost: a.example\r\n',
    'GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n',
  ];
  const answer = await exchangeBytes(edge.ports.gateway, lines.map((line) => `${line}\r\n`).join(''));
  assert.deepEqual(
    [...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status),
    ['200', '404', '200', '404', '200'],
  );
});
