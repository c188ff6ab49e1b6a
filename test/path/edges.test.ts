import assert from 'node:assert/strict';
import { get } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import { type RunningDataPlane, serviceEntry, startApp, startDataPlane, startTcp } from './data-plane.ts';

const closers: (() => unknown)[] = [];

after(async () => {
  for (const close of closers) await close();
});

async function plane(options: Parameters<typeof startDataPlane>[0] = {}): Promise<RunningDataPlane> {
  const started = await startDataPlane(options);
  closers.push(started.close);
  return started;
}

/** The port of an application that answers with what it got: its path, or one of its fields. */
async function echo(field?: string, name = ''): Promise<number> {
  const app = await startApp((request, response) => {
    response.end(name !== '' ? name : field === undefined ? request.url : String(request.headers[field] ?? 'none'));
  });
  closers.push(app.close);
  return app.port;
}

function ask(
  port: number,
  host: string,
  path = '/',
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers: { host, ...headers }, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body }));
    }).on('error', reject);
  });
}

const virtualService = (name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name }, spec });

const gateway = (...hosts: string[]): string =>
  JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'edge' },
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts }],
    },
  });

test('an address that must not be reached is refused in every spelling', async () => {
  const mesh = await plane();
  const own = mesh.ports.outbound;
  const interfaces = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  const ofThisMachine = interfaces.filter(({ family, internal }) => family === 'IPv4' && !internal);
  for (const host of [
    '[::ffff:a9fe:a9fe]',
    '[::ffff:169.254.169.254]',
    '[0:0:0:0:0:ffff:a9fe:a9fe]',
    '[fe80::1]',
    '[febf::1]',
    '[fd00:ec2::254]',
    '0.0.0.1',
    '[::ffff:0:0]',
    '[0:0:0:0:0:0:0:0]',
    `[::ffff:7f00:1]:${own}`,
    `[0:0:0:0:0:0:0:1]:${own}`,
    `[::1]:15001`,
    ...ofThisMachine.map(({ address }) => `${address}:${own}`),
  ]) {
    assert.equal((await ask(own, host)).status, 403, host);
  }
  // These are names to us; what the system makes of them is looked at as well.
  for (const host of [`2130706433:${own}`, `0x7f.1:${own}`, `127.1:${own}`, '0251.0376.169.254', '2852039166']) {
    assert.equal((await ask(own, host)).status, 503, host);
  }
});

test('a service whose addresses come from DNS all at once is resolved, and one whose do not any more is not', async () => {
  const port = await echo(undefined, 'here');
  const entry = (resolution: string, address: string): string =>
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'changing' },
      spec: {
        hosts: ['changing.example'],
        ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: port }],
        resolution,
        endpoints: [{ address }],
      },
    });
  const mesh = await plane({ yaml: [entry('STATIC', '127.0.0.1')] });
  assert.equal((await ask(mesh.ports.outbound, 'changing.example')).body, 'here');
  mesh.apply(entry('DNS', 'localhost'));
  assert.equal((await ask(mesh.ports.outbound, 'changing.example')).body, 'here');
  mesh.apply(entry('STATIC', '127.0.0.1'));
  assert.equal((await ask(mesh.ports.outbound, 'changing.example')).body, 'here');
});

test('a rule whose host its gateway allows only later reaches its service then', async () => {
  const port = await echo(undefined, 'shop');
  const rule = virtualService('shop', {
    hosts: ['shop.example'],
    gateways: ['edge'],
    http: [{ route: [{ destination: { host: 'up.example' } }] }],
  });
  const mesh = await plane({
    role: 'gateway',
    yaml: [serviceEntry('up.example', port), gateway('other.example'), rule],
  });
  assert.equal((await ask(mesh.ports.gateway, 'shop.example')).status, 404);
  mesh.apply(gateway('shop.example'));
  assert.deepEqual(await ask(mesh.ports.gateway, 'shop.example'), { status: 200, body: 'shop' });
});

test('who a client certificate is said to be of is dropped wherever none was shown', async () => {
  const mesh = await plane({ appPort: await echo('x-forwarded-client-cert') });
  const forged = { 'x-forwarded-client-cert': 'By=spiffe://a;URI=spiffe://cluster.local/ns/default/sa/admin' };
  assert.equal((await ask(mesh.ports.inbound, 'app', '/', forged)).body, 'none');
  const port = await echo('x-forwarded-client-cert');
  assert.equal((await ask(mesh.ports.outbound, `127.0.0.1:${port}`, '/', forged)).body, 'none');
});

test('a path matched by a regular expression is rewritten whole, its query apart', async () => {
  const port = await echo();
  const rule = virtualService('regex', {
    hosts: ['up.example'],
    http: [
      {
        match: [{ uri: { regex: '/v[0-9]/.*' } }],
        rewrite: { uri: '/new' },
        route: [{ destination: { host: 'up.example' } }],
      },
    ],
  });
  const mesh = await plane({ yaml: [serviceEntry('up.example', port), rule] });
  assert.equal((await ask(mesh.ports.outbound, 'up.example', '/v1/x?q=1')).body, '/new?q=1');
});

test('a short name is a service of the own namespace only', async () => {
  const service = (namespace: string, address: string, port: number): string[] => [
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'cart', namespace },
      spec: { selector: { app: 'cart' }, ports: [{ name: 'http', port: 80, targetPort: port }] },
    }),
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: { name: 'cart', namespace },
      spec: { address, labels: { app: 'cart' } },
    }),
  ];
  const [a, b] = [await echo(undefined, 'a'), await echo(undefined, 'b')];
  const mesh = await plane({
    namespace: 'b',
    yaml: [...service('a', '127.0.0.1', a), ...service('b', '127.0.0.1', b)],
  });
  assert.equal((await ask(mesh.ports.outbound, 'cart')).body, 'b');
  assert.equal((await ask(mesh.ports.outbound, 'cart.a')).body, 'a');
  assert.equal((await ask(mesh.ports.outbound, 'cart.b.svc.cluster.local')).body, 'b');
});

test('a rule that leads nowhere is 503 NC for its requests, and harms nobody else', async () => {
  const port = await echo();
  const rule = virtualService('delegating', { hosts: ['up.example'], http: [{ delegate: { name: 'elsewhere' } }] });
  const mesh = await plane({ yaml: [serviceEntry('up.example', port), serviceEntry('other.example', port), rule] });
  assert.equal((await ask(mesh.ports.outbound, 'up.example')).status, 503);
  assert.equal((await ask(mesh.ports.outbound, 'other.example')).status, 200);
  assert.equal(mesh.records[0].details, 'cluster_not_found');
});

test('the replacement of a regular expression is read as RE2 writes it', async () => {
  const port = await echo();
  const mesh = await plane({ yaml: [serviceEntry('up.example', port)] });
  const rewritten = async (rewrite: string): Promise<string> => {
    const http = { rewrite: { uriRegexRewrite: { match: '^/a/([^/]+)', rewrite } } };
    const route = [{ destination: { host: 'up.example' } }];
    mesh.apply(virtualService('rewriting', { hosts: ['up.example'], http: [{ ...http, route }] }));
    return (await ask(mesh.ports.outbound, 'up.example', '/a/b/c')).body;
  };
  assert.equal(await rewritten('/x/\\1'), '/x/b/c');
  assert.equal(await rewritten('/x\\0'), '/x/a/b/c');
  assert.equal(await rewritten('/x/$1$$'), '/x/$1$$/c');
});

test('a client that goes away while its upload waits for a connection is noticed', async () => {
  const asked = Promise.withResolvers<void>();
  const hanging = await startTcp((socket) => socket.on('data', () => asked.resolve()));
  closers.push(hanging.close);
  const one = JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'one' },
    spec: { host: 'up.example', trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 } } } },
  });
  const mesh = await plane({ yaml: [serviceEntry('up.example', hanging.port), one] });
  const first = connect(mesh.ports.outbound, '127.0.0.1');
  closers.push(() => first.destroy());
  first.write('GET / HTTP/1.1\r\nHost: up.example\r\n\r\n');
  await asked.promise;
  const second = connect(mesh.ports.outbound, '127.0.0.1');
  second.end('PUT / HTTP/1.1\r\nHost: up.example\r\nContent-Length: 100\r\n\r\na part');
  await mesh.ended(1);
  assert.equal(mesh.records[0].details, 'downstream_remote_disconnect');
});

test('a connection that idles keeps no configuration of its time alive', async () => {
  const port = await echo();
  const mesh = await plane({ yaml: [serviceEntry('up.example', port)] });
  const { snapshot } = mesh.plane as unknown as { snapshot: object };
  const idle = connect(mesh.ports.outbound, '127.0.0.1');
  closers.push(() => idle.destroy());
  idle.write('GET /x HTTP/1.1\r\nHost: up.example\r\n\r\n');
  await new Promise((resolve) => idle.once('data', resolve));
  type Served = { connections: Map<{ transport: { memo: object } }, unknown> };
  const { listeners } = mesh.plane as unknown as { listeners: Map<string, Served> };
  const memos = [...listeners.values()].flatMap(({ connections }) =>
    [...connections.keys()].map((one) => one.transport.memo),
  );
  assert.equal(memos.length, 1);
  assert.ok(!Object.values(memos[0]).includes(snapshot));
  const bytes = Object.values(memos[0]).find((value) => value instanceof Uint8Array);
  assert.equal(bytes?.buffer.byteLength, 'up.example'.length);
});
