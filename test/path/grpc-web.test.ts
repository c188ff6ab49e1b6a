// gRPC-Web: what browsers send in the place of gRPC reaches applications as gRPC, and its answer browsers as they can read it.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:http2';
import { after, before, test } from 'node:test';

import { type RunningDataPlane, startDataPlane } from './data-plane.ts';
import { ask, type Http2App, startHttp2App } from './http2-app.ts';

let app: Http2App;
let sidecar: RunningDataPlane;
let gateway: RunningDataPlane;

const MESSAGE = Buffer.from([0, 0, 0, 0, 3, 102, 111, 111]);
const BINARY = 'application/grpc-web+proto';
const TEXT = 'application/grpc-web-text+proto';

const entry = (host: string, protocol: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host} }
spec:
  hosts: [${host}]
  resolution: STATIC
  ports: [{ number: 80, name: rpc, protocol: ${protocol}, targetPort: ${app.port} }]
  endpoints: [{ address: 127.0.0.1 }]
`;

before(async () => {
  app = await startHttp2App();
  const yaml = [entry('web.example', 'GRPC-WEB'), entry('plain.example', 'GRPC')];
  sidecar = await startDataPlane({
    address: '127.0.0.1',
    appPort: app.port,
    appProtocol: 'grpc-web',
    yaml,
  });
  gateway = await startDataPlane({
    role: 'gateway',
    yaml: [
      ...yaml,
      `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec: { selector: { istio: ingressgateway }, servers: [{ port: { number: 8080, name: grpc-web, protocol: GRPC-WEB }, hosts: ['*'] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge }
spec:
  hosts: ['*']
  gateways: [edge]
  http:
  - match: [{ uri: { prefix: /nowhere } }]
    route: [{ destination: { host: nowhere.example } }]
  - corsPolicy: { allowOrigins: [{ exact: 'https://shop.example' }], exposeHeaders: [grpc-status, grpc-message] }
    route: [{ destination: { host: plain.example } }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: closed }
spec: { action: DENY, rules: [{ to: [{ operation: { paths: [/closed] } }] }] }
`,
    ],
  });
});

after(async () => {
  sidecar.close();
  gateway.close();
  await app.close();
});

interface WebAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

/** As a browser over HTTP/1.1; the body goes in these pieces. */
function post(port: number, path: string, type: string, pieces: Buffer[], more: Record<string, string> = {}) {
  return new Promise<WebAnswer>((resolve, reject) => {
    const sent = request({ port, path, method: 'POST', agent: false, headers: { 'content-type': type, ...more } });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    for (const piece of pieces) sent.write(piece);
    sent.end();
  });
}

/** The messages of a body: their first byte, and what is in them. */
function messages(body: Buffer): [number, string][] {
  const found: [number, string][] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    found.push([body[at], body.subarray(at + 5, end).latin1Slice()]);
    at = end;
  }
  return found;
}

/** Of answers in text: each group of four is decoded for itself, as browsers do where pieces end with padding. */
function decoded(text: Buffer): Buffer {
  const groups = text.latin1Slice().match(/.{4}/g) ?? [];
  return Buffer.concat(groups.map((group) => Buffer.from(group, 'base64')));
}

const FOO: [number, string][] = [
  [0, 'foo'],
  [0x80, 'grpc-status:0\r\n'],
];

test('a call in bytes is gRPC to the application, and its trailers are the last message of the answer', async () => {
  const { status, headers, body } = await post(sidecar.ports.inbound, '/echo', BINARY, [MESSAGE]);
  assert.deepEqual([status, headers['content-type'], headers['content-length']], [200, BINARY, undefined]);
  assert.deepEqual(messages(body), FOO);
  const seen = JSON.parse((await post(sidecar.ports.inbound, '/seen', BINARY, [MESSAGE])).body.toString());
  assert.deepEqual([seen.headers['content-type'], seen.headers.te], ['application/grpc+proto', 'trailers']);
});

test('a call in text may come in pieces that end anywhere, and with padding between them', async () => {
  const text = `${MESSAGE.subarray(0, 4).toString('base64')}${MESSAGE.subarray(4).toString('base64')}`;
  for (const size of [1, 3, 7, text.length]) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < text.length; at += size) pieces.push(Buffer.from(text.slice(at, at + size)));
    const { headers, body } = await post(sidecar.ports.inbound, '/echo', TEXT, pieces);
    assert.equal(headers['content-type'], TEXT);
    assert.deepEqual(messages(decoded(body)), FOO, `pieces of ${size}`);
  }
});

test('text that is none is refused, in the form of gRPC-Web', async () => {
  for (const text of ['AAAA*', 'AAA', '=AAA', 'AA=A']) {
    const { status, headers } = await post(sidecar.ports.inbound, '/echo', TEXT, [Buffer.from(text)]);
    assert.deepEqual([status, headers['grpc-status']], [200, '13'], text);
    assert.match(String(headers['content-type']), /^application\/grpc-web-text/);
  }
});

test('a status without messages stays in the head', async () => {
  const { headers, body } = await post(sidecar.ports.inbound, '/status/7', BINARY, [MESSAGE]);
  assert.deepEqual([headers['content-type'], headers['grpc-status'], body.length], [BINARY, '7', 0]);
});

test('over HTTP/2, too, beside calls of gRPC and requests of other kinds, which stay as they are', async () => {
  const client = connect(`http://127.0.0.1:${sidecar.ports.inbound}`);
  const head = { ':method': 'POST', ':path': '/echo', ':authority': 'app' };
  const web = await ask(client, { ...head, 'content-type': BINARY }, MESSAGE);
  assert.deepEqual(messages(Buffer.from(web.body, 'latin1')), FOO);
  const grpc = await ask(client, { ...head, 'content-type': 'application/grpc', te: 'trailers' }, MESSAGE);
  assert.deepEqual([grpc.body, grpc.trailers['grpc-status']], [MESSAGE.latin1Slice(), '0']);
  const other = await ask(client, { ...head, 'content-type': 'application/grpc-website' }, MESSAGE);
  assert.equal(other.trailers['grpc-status'], '0');
  client.destroy();
});

test('at a sidecar’s outbound port it is the service’s port that says so', async () => {
  const web = await post(sidecar.ports.outbound, '/echo', BINARY, [MESSAGE], { host: 'web.example' });
  assert.deepEqual(messages(web.body), FOO);
  const plain = await post(sidecar.ports.outbound, '/seen', BINARY, [MESSAGE], { host: 'plain.example' });
  assert.equal(JSON.parse(plain.body.toString()).headers['content-type'], BINARY);
});

test('at a gateway’s server of protocol GRPC-WEB pages of other origins read answers, refusals and failures included', async () => {
  const origin = { origin: 'https://shop.example' };
  const { ports } = gateway;
  const { headers, body } = await post(ports.gateway, '/echo', BINARY, [MESSAGE], origin);
  assert.deepEqual(messages(body), FOO);
  assert.equal(headers['access-control-allow-origin'], 'https://shop.example');
  assert.equal(headers['access-control-expose-headers'], 'grpc-status,grpc-message');
  const denied = await post(ports.gateway, '/closed', BINARY, [MESSAGE], origin);
  assert.deepEqual([denied.status, denied.headers['content-type'], denied.headers['grpc-status']], [200, BINARY, '7']);
  assert.equal(denied.headers['access-control-allow-origin'], 'https://shop.example');
  const lost = await post(ports.gateway, '/nowhere', BINARY, [MESSAGE]);
  assert.deepEqual([lost.status, lost.headers['grpc-status']], [200, '14']);
});

test('a call ends by the deadline that its page gives to it', async () => {
  const { headers } = await post(gateway.ports.gateway, '/silent', BINARY, [MESSAGE], { 'grpc-timeout': '50m' });
  assert.equal(headers['grpc-status'], '14');
});

test('a Service says so by the name of its port, or by appProtocol', async () => {
  for (const port of ['name: grpc-web', 'name: grpc-web-ui', 'name: ui, appProtocol: grpc-web']) {
    const plane = await startDataPlane({
      appPort: app.port,
      services: ['web'],
      yaml: [
        `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80, targetPort: ${app.port}, ${port} }] }
`,
      ],
    });
    const { body } = await post(plane.ports.inbound, '/echo', BINARY, [MESSAGE]);
    plane.close();
    assert.deepEqual(messages(body), FOO, port);
  }
});
