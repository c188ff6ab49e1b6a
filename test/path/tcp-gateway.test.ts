// Connections that a gateway carries as they are: Istio's tasks on shifting TCP and on passing TLS through by name, and what
// clients send that is neither.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { connect as connectTls, createServer, type Server } from 'node:tls';
import { ATTRIBUTES } from '../../core/attributes.ts';
import { flagNames } from '../../core/errors.ts';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane, startTcp } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';

let authority: TestAuthority;
let gateway: RunningDataPlane;
let asked: (string | undefined)[] = [];
const closers: (() => unknown)[] = [];
const ports: Record<string, number> = {};

const gatewayOf = (protocol: string, hosts: string, tls = '') => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: edge, protocol: ${protocol} }, hosts: [${hosts}] ${tls} }]`;

const routes = (section: string, hosts: string, name = 'edge') => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec: { hosts: [${hosts}], gateways: [edge], ${section} }`;

const entry = (host: string, ...labelled: (readonly [version: string, port: number])[]) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.replaceAll('.', '-')} }
spec:
  hosts: [${host}]
  ports: [{ number: 9000, name: tcp, protocol: TCP }]
  resolution: STATIC
  endpoints: [${labelled.map(([version, port]) => `{ address: 127.0.0.1, ports: { tcp: ${port} }, labels: { version: ${version} } }`)}]`;

const SUBSETS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo }
spec: { host: echo.test, subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }] }`;

const PASSTHROUGH = ', tls: { mode: PASSTHROUGH }';

before(async () => {
  authority = await testAuthority();
  closers.push(authority.close);
  for (const version of ['one', 'two']) {
    const app = await startTcp((socket) => {
      socket.on('data', (chunk) => socket.write(`${version} ${chunk}`));
    });
    ports[version] = app.port;
    closers.push(app.close);
  }
  const { key, chain } = await authority.identity('nginx');
  for (const name of ['nginx', 'other']) {
    const server: Server = createServer({ key, cert: chain }, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(name);
    });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ports[name] = (server.address() as { port: number }).port;
    closers.push(() => server.close());
  }
  gateway = await startDataPlane({
    role: 'gateway',
    sink: {
      connectionEnded: (record) => asked.push(ATTRIBUTES['connection.requested_server_name'].read(record)),
    },
  });
  closers.push(gateway.close);
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  gateway.unconfigure();
  gateway.records.length = 0;
  asked = [];
});

/** What a connection is answered; '' when it is closed without a word. */
async function say(text: string | Buffer, slowly = false): Promise<string> {
  const before = gateway.records.length;
  const socket: Socket = connect(gateway.ports.gateway, '127.0.0.1');
  let heard = '';
  let over = false;
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  for (const event of ['end', 'close', 'error']) socket.on(event, () => (over = true));
  if (slowly) {
    socket.setNoDelay(true);
    for (const byte of Buffer.from(text)) {
      socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
  } else socket.write(text);
  await until('an answer or the end', () => over || heard !== '');
  socket.destroy();
  await gateway.ended(before + 1);
  return heard;
}

/** Over TLS; what the server says, or why not. */
async function greet(servername: string): Promise<string> {
  const before = gateway.records.length;
  const heard = await answerTo(servername);
  await gateway.ended(before + 1);
  return heard;
}

function answerTo(servername: string): Promise<string> {
  return new Promise((resolve) => {
    const options = { port: gateway.ports.gateway, host: '127.0.0.1', rejectUnauthorized: false };
    const socket = connectTls(servername === '' ? options : { ...options, servername });
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.on('error', () => resolve('closed'));
    socket.on('end', () => resolve(heard || 'closed'));
    socket.on('close', () => resolve(heard || 'closed'));
  });
}

test('connections are shifted from one version to another by weight', async () => {
  const to = (v1: number, v2: number) =>
    routes(
      `tcp: [{ match: [{ port: 8080 }], route: [{ destination: { host: echo.test, subset: v1 }, weight: ${v1} }, { destination: { host: echo.test, subset: v2 }, weight: ${v2} }] }]`,
      '"*"',
    );
  gateway.apply(gatewayOf('TCP', '"*"'), entry('echo.test', ['v1', ports.one], ['v2', ports.two]), SUBSETS, to(100, 0));
  for (let i = 0; i < 5; i++) assert.equal(await say('hi'), 'one hi');
  gateway.apply(to(50, 50));
  const heard = new Set<string>();
  await until('both', async () => heard.add(await say('hi')).size === 2);
  gateway.apply(to(0, 100));
  for (let i = 0; i < 5; i++) assert.equal(await say('hi'), 'two hi');
  assert.equal(gateway.records.at(-1)?.cluster, 'outbound|9000|v2|echo.test');
  assert.equal(gateway.records.at(-1)?.route, 'default/edge');
});

test('a rule for another port, other hosts or another gateway takes no connection', async () => {
  gateway.apply(gatewayOf('TCP', 'a.test'), entry('echo.test', ['v1', ports.one]));
  const to = 'route: [{ destination: { host: echo.test } }]';
  for (const rule of [
    routes(`tcp: [{ match: [{ port: 1 }], ${to} }]`, 'a.test'),
    routes(`tcp: [{ ${to} }]`, 'b.test'),
    routes(`tcp: [{ match: [{ gateways: [default/none] }], ${to} }]`, 'a.test'),
    routes(`tcp: [{ match: [{ sourceSubnet: 10.0.0.0/8 }], ${to} }]`, 'a.test'),
  ]) {
    gateway.apply(rule);
    assert.equal(await say('hi'), '', rule);
  }
  assert.deepEqual(new Set(gateway.records.map(({ flags }) => flagNames(flags))), new Set(['NR']));
  gateway.apply(
    routes(`tcp: [{ match: [{ sourceSubnet: 127.0.0.0/8, destinationSubnets: [127.0.0.1] }], ${to} }]`, 'a.test'),
  );
  assert.equal(await say('hi'), 'one hi');
});

test('TLS is passed through to where the name leads that is asked for', async () => {
  const tls = (name: string, host: string) =>
    `{ match: [{ port: 8080, sniHosts: ["${name}"] }], route: [{ destination: { host: ${host} } }] }`;
  gateway.apply(
    gatewayOf('TLS', 'nginx.example.com, "*.apps.example.com"', PASSTHROUGH),
    entry('nginx.test', ['v1', ports.nginx]),
    entry('other.test', ['v1', ports.other]),
    routes(`tls: [${tls('nginx.example.com', 'nginx.test')}]`, 'nginx.example.com'),
    routes(
      `tls: [${tls('*.apps.example.com', 'other.test')}, ${tls('a.apps.example.com', 'nginx.test')}]`,
      '"*.apps.example.com"',
      'apps',
    ),
  );
  assert.equal(await greet('nginx.example.com'), 'nginx');
  assert.equal(await greet('NGINX.example.com'), 'nginx');
  assert.equal(await greet('b.apps.example.com'), 'other');
  assert.equal(await greet('a.apps.example.com'), 'nginx');
  assert.deepEqual(
    asked,
    ['nginx', 'nginx', 'b.apps', 'a.apps'].map((name) => `${name}.example.com`),
  );
  assert.equal(gateway.records[0].cluster, 'outbound|9000||nginx.test');
  const shown = gateway.plane.dump('routes') as { domains: string[]; virtualService: string; action: string }[];
  assert.deepEqual(
    shown.map(({ domains, virtualService, action }) => `${domains} ${virtualService} ${action}`).sort(),
    [
      '*.apps.example.com default/apps outbound|9000||other.test',
      'a.apps.example.com default/apps outbound|9000||nginx.test',
      'nginx.example.com default/edge outbound|9000||nginx.test',
    ],
  );
  for (const name of ['other.example.com', '']) assert.equal(await greet(name), 'closed');
  assert.deepEqual(
    gateway.records.slice(4).map(({ flags }) => flagNames(flags)),
    ['NR', 'NR'],
  );
});

test('what is no TLS is closed at once, and a hello may come byte by byte', async () => {
  gateway.apply(
    gatewayOf('HTTPS', 'nginx.example.com', PASSTHROUGH),
    entry('echo.test', ['v1', ports.one]),
    routes(
      'tls: [{ match: [{ sniHosts: [a.example.com] }], route: [{ destination: { host: echo.test } }] }]',
      '"*.example.com"',
    ),
  );
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x16\x02\x01', '\x16\x03\x01\x40\x01', '\x16\x03\x01\x00\x01\x02']) {
    assert.equal(await say(Buffer.from(bytes, 'latin1')), '', JSON.stringify(bytes));
  }
  assert.ok(gateway.records.every(({ flags }) => flagNames(flags) === 'NR'));
  gateway.apply(gatewayOf('HTTPS', 'a.example.com', PASSTHROUGH));
  const hello = await recordedHello('a.example.com');
  assert.equal((await say(hello, true)).slice(0, 4), 'one ');
});

test('a policy asks for the name at the gateway', async () => {
  gateway.apply(
    gatewayOf('TLS', '"*.example.com"', PASSTHROUGH),
    entry('nginx.test', ['v1', ports.nginx]),
    routes(
      'tls: [{ match: [{ sniHosts: ["*.example.com"] }], route: [{ destination: { host: nginx.test } }] }]',
      '"*.example.com"',
    ),
    `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: names }
spec: { action: DENY, rules: [{ when: [{ key: connection.sni, values: [b.example.com] }] }] }`,
  );
  assert.equal(await greet('a.example.com'), 'nginx');
  assert.equal(await greet('b.example.com'), 'closed');
});

/** What a client of TLS says first. */
async function recordedHello(servername: string): Promise<Buffer> {
  const first = Promise.withResolvers<Buffer>();
  const server = await startTcp((socket) => socket.once('data', first.resolve));
  const client = connectTls({ port: server.port, host: '127.0.0.1', servername });
  client.on('error', () => undefined);
  const hello = await first.promise;
  client.destroy();
  server.close();
  return hello;
}
