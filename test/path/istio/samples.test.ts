// Istio's samples helloworld, tcp-echo (with the task that shifts its connections), grpc-echo and websockets, through two sidecars, or a
// gateway and one, over mutual TLS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { WebSocketServer } from 'ws';
import { call, exchangeBytes, startApp, startTcp } from '../data-plane.ts';
import { type SampleApp, type SampleMesh, startSampleMesh, TARGET_PORT } from './sample-mesh.ts';

const VERSIONS = ['v1', 'v2'] as const;
/** Of the servers. */
const TCP_ECHO_V2 = 4;
const closers: (() => unknown)[] = [];
let mesh: SampleMesh;

before(async () => {
  const apps: SampleApp[] = [];
  for (const version of VERSIONS) {
    const hello = await startApp((_, response) => response.end(`Hello version: ${version}`));
    const word = version === 'v1' ? 'one' : 'two';
    const tcp = await startTcp((socket) => socket.on('data', (chunk) => socket.write(`${word} ${chunk}`)));
    closers.push(hello.close, tcp.close);
    apps.push({ app: 'helloworld', version, port: hello.port });
    apps.push({ app: 'tcp-echo', version, port: tcp.port, protocol: 'tcp' });
    apps.push({ app: 'echo', version, port: await startGrpcEcho(version), protocol: 'grpc' });
  }
  const tornado = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  tornado.on('connection', (socket) => socket.on('message', (message) => socket.send(`tornado: ${message}`)));
  await once(tornado, 'listening');
  closers.push(() => tornado.close());
  apps.push({ app: 'tornado', version: 'v1', port: (tornado.address() as { port: number }).port });
  mesh = await startSampleMesh('127.57.0', apps, { gatewayPort: 31400, upstreams: ['tcp-echo:9000'] });
  closers.push(mesh.close);
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

async function startGrpcEcho(version: string): Promise<number> {
  const plain = (message: Buffer): Buffer => message;
  const server = new Server();
  server.addService(
    {
      Echo: {
        ...{ path: '/proto.EchoTestService/Echo', requestStream: false, responseStream: false },
        ...{ requestSerialize: plain, requestDeserialize: plain, responseSerialize: plain, responseDeserialize: plain },
      },
    },
    { Echo: (_: unknown, reply: (error: null, answer: Buffer) => void) => reply(null, Buffer.from(version)) },
  );
  closers.push(() => server.forceShutdown());
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

const service = (name: string, port: number, portName: string): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, labels: { app: ${name}, service: ${name} } }
spec:
  selector: { app: ${name} }
  ports: [{ name: ${portName}, port: ${port}, targetPort: ${TARGET_PORT} }]
`;

const subsets = (name: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name} }
spec:
  host: ${name}
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
`;

const gateway = (protocol: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: sample-gateway }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: 31400, name: ${protocol.toLowerCase()}, protocol: ${protocol} }
    hosts: ["*"]
`;

const rule = (hosts: string, gateways: string, routes: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: sample }
spec:
  hosts: ["${hosts}"]
  gateways: [${gateways}]
${routes}
`;

/** `http` or `tcp` routes to the two versions. */
const shifted = (host: string, port: number, v1: number, v2: number): string => `
  - route:
    - { destination: { host: ${host}, port: { number: ${port} }, subset: v1 }, weight: ${v1} }
    - { destination: { host: ${host}, port: { number: ${port} }, subset: v2 }, weight: ${v2} }`;

/** How often which answer comes. */
async function counted(times: number, ask: () => Promise<string>): Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const answer = await ask();
    answers[answer] = (answers[answer] ?? 0) + 1;
  }
  return answers;
}

/** Of 60 calls a fifth: between 1 and 40 but once in a hundred thousand runs. */
function isFifth(count: number | undefined): void {
  assert.ok(count !== undefined && count >= 1 && count <= 40, `${count} of 60`);
}

/** Who called is known to all servers that were. */
function assertPrincipals(account: string): void {
  const called = mesh.servers.flatMap(({ records }) => records);
  assert.ok(called.length > 0);
  for (const { principal } of called) assert.equal(principal, `cluster.local/ns/default/sa/${account}`);
}

test('helloworld: both versions answer at the gateway, and by weights from within', async () => {
  const path = rule(
    '*',
    'sample-gateway',
    `  http:
  - match: [{ uri: { exact: /hello } }]
    route: [{ destination: { host: helloworld, port: { number: 5000 } } }]`,
  );
  mesh.configure(service('helloworld', 5000, 'http'), gateway('HTTP'), path);
  const edge = { host: mesh.gateway.address, port: mesh.gateway.ports.gateway };
  const hello = async (): Promise<string> => (await call({ ...edge, path: '/hello' })).body;
  assert.deepEqual(Object.keys(await counted(30, hello)).sort(), ['Hello version: v1', 'Hello version: v2']);
  assert.equal((await call({ ...edge, path: '/other' })).status, 404);
  assertPrincipals('istio-ingressgateway');

  const { address: host, ports } = mesh.client;
  const within = async (): Promise<string> =>
    (await call({ host, port: ports.outbound, path: '/hello', headers: { host: 'helloworld:5000' } })).body;
  const weighted = (v1: number, v2: number): void =>
    mesh.configure(
      service('helloworld', 5000, 'http'),
      subsets('helloworld'),
      rule('helloworld', 'mesh', `  http:${shifted('helloworld', 5000, v1, v2)}`),
    );
  weighted(100, 0);
  assert.deepEqual(await counted(10, within), { 'Hello version: v1': 10 });
  assertPrincipals('curl');
  weighted(80, 20);
  isFifth((await counted(60, within))['Hello version: v2']);
});

/** A word to tcp-echo, and its answer. */
async function echoed(host: string, port: number): Promise<string> {
  return exchangeBytes(port, 'hello\n', 'hello\n', host);
}

test('tcp-echo: connections are shifted from one version to the other, at a gateway and from within', async () => {
  for (const [where, port, ask] of [
    ['sample-gateway', 31400, () => echoed(mesh.gateway.address, mesh.gateway.ports.gateway)],
    ['mesh', 9000, () => echoed('127.0.0.1', mesh.client.upstreams['tcp-echo:9000'])],
  ] as const) {
    const weighted = (v1: number, v2: number): void => {
      const routes = shifted('tcp-echo', 9000, v1, v2).replace('- route', `- match: [{ port: ${port} }]\n    route`);
      const yaml = [service('tcp-echo', 9000, 'tcp'), subsets('tcp-echo'), gateway('TCP')];
      mesh.configure(...yaml, rule(where === 'mesh' ? 'tcp-echo' : '*', where, `  tcp:${routes}`));
    };
    weighted(100, 0);
    assert.deepEqual(await counted(10, ask), { 'one hello\n': 10 });
    weighted(80, 20);
    isFifth((await counted(60, ask))['two hello\n']);
    weighted(0, 100);
    assert.deepEqual(await counted(10, ask), { 'two hello\n': 10 });
    // Connections are told of when they are over.
    await mesh.servers[TCP_ECHO_V2].ended(10);
    assertPrincipals(where === 'mesh' ? 'curl' : 'istio-ingressgateway');
  }
});

test('grpc-echo: calls of one connection are shifted by weights', async () => {
  const weighted = (v1: number, v2: number): void =>
    mesh.configure(
      service('echo', 7070, 'grpc'),
      subsets('echo'),
      rule('echo', 'mesh', `  http:${shifted('echo', 7070, v1, v2)}`),
    );
  weighted(0, 100);
  process.env.grpc_proxy = `http://${mesh.client.address}:${mesh.client.ports.outbound}`;
  const client = new Client('echo.default.svc.cluster.local:7070', credentials.createInsecure());
  delete process.env.grpc_proxy;
  const plain = (message: Buffer): Buffer => message;
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest('/proto.EchoTestService/Echo', plain, plain, Buffer.alloc(0), (error, answer) =>
        error === null ? resolve(String(answer)) : reject(error),
      ),
    );
  assert.deepEqual(await counted(10, ask), { v2: 10 });
  assertPrincipals('curl');
  weighted(80, 20);
  isFifth((await counted(60, ask)).v2);
  client.close();
});

test('websockets: a page at the gateway speaks with the application behind its sidecar', async () => {
  mesh.configure(
    service('tornado', 8888, 'http'),
    gateway('HTTP'),
    rule('*', 'sample-gateway', '  http:\n  - route: [{ destination: { host: tornado }, weight: 100 }]'),
  );
  const page = new WebSocket(`ws://${mesh.gateway.address}:${mesh.gateway.ports.gateway}/ws`);
  await new Promise((resolve, reject) => {
    page.onopen = resolve;
    page.onerror = reject;
  });
  for (const word of ['one', 'two'.repeat(50_000)]) {
    const answer = new Promise((resolve) => {
      page.onmessage = ({ data }) => resolve(data);
    });
    page.send(word);
    assert.equal(await answer, `tornado: ${word}`);
  }
  const closed = new Promise((resolve) => {
    page.onclose = ({ code, wasClean }) => resolve([code, wasClean]);
  });
  page.close(1000);
  assert.deepEqual(await closed, [1000, true]);
  const server = mesh.servers.at(-1)!;
  await server.ended(1);
  assert.equal(server.records[0].code, 101);
  assertPrincipals('istio-ingressgateway');
});
