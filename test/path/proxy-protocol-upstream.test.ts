// DestinationRule's proxyProtocol: connections to the service begin with a header that names the client, and are his alone.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import { readProxyHeader } from '../../core/transport/proxy-header.ts';
import { until } from '../until.ts';
import { type WebAuthority, webAuthority } from '../web-certificates.ts';
import { type RunningDataPlane, serviceEntry, startDataPlane, startTcp } from './data-plane.ts';
import { edgeTo } from './edge.ts';
import { testAuthority } from './identities.ts';

const CALLER = '127.44.7.1';
const SERVER = '127.44.7.2';

/** A connection to the application: whom its header names, and what came after that. */
interface Seen {
  client: string;
  text: string;
}

let gateway: RunningDataPlane;
let caller: RunningDataPlane;
let server: RunningDataPlane;
let app: { port: number; close(): void };
let web: WebAuthority;
let shown: { cert: string; key: string };
let seen: Seen[] = [];
const closers: (() => unknown)[] = [];

const rule = (policy: string, host = 'app.test') => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: app }
spec: { host: ${host}, trafficPolicy: ${policy} }`;

const FROM_PROXY = `
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: { defaultConfig: { gatewayTopology: { proxyProtocol: {} } } }`;

const asTcp = (yaml: string) => yaml.replace('protocol: HTTP', 'protocol: TCP').replace('http: [{', 'tcp: [{');
const named = (client: string) => `PROXY TCP4 ${client} 192.0.2.9 56324 443\r\n`;
const GET = 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n';

const at = (id: string, address: string, port: number, services: string[]) => ({
  ...{ id, name: `${id}-1`, workload: id, namespace: 'default', serviceAccount: id, trustDomain: 'cluster.local' },
  ...{ labels: { app: id }, services, address, port, appPort: 5432, weight: 1, locality: '', tls: true },
});

/** Reads a header, if there is one, and answers each request; what is no HTTP it sends back. */
function serve(socket: Socket): void {
  const connection: Seen = { client: '', text: '' };
  seen.push(connection);
  let bytes = Buffer.alloc(0);
  const first = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const header = readProxyHeader(bytes);
    if (header === 'more') return;
    const { origin = null, length = 0 } = header ?? {};
    if (header !== null)
      connection.client = origin === null ? 'itself' : `${origin.remoteAddress}:${origin.remotePort}`;
    const rest = bytes.subarray(length);
    if (rest.length === 0) return;
    socket.off('data', first);
    if (rest[0] === 0x16) socket.pause().unshift(rest);
    const above =
      rest[0] === 0x16 ? new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(shown) }) : socket;
    const heard = (more: Buffer): void => {
      connection.text += more;
      if (!connection.text.includes(' HTTP/1.1\r\n')) above.write(more);
      else if (connection.text.endsWith('\r\n\r\n')) above.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello');
    };
    above.on('data', heard).on('error', () => undefined);
    if (above === socket) heard(rest);
  };
  socket.on('data', first).on('error', () => undefined);
}

before(async () => {
  const authority = await testAuthority();
  web = await webAuthority();
  shown = await web.issue(['app.test']);
  app = await startTcp(serve);
  gateway = await startDataPlane({ role: 'gateway' });
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'db' }, serviceAccount: 'db', services: ['db'], appPort: app.port },
  });
  caller = await startDataPlane({
    address: CALLER,
    labels: { app: 'shop' },
    serviceAccount: 'shop',
    upstreams: ['db:5432'],
  });
  server.plane.setIdentity(await authority.identity('db'));
  caller.plane.setIdentity(await authority.identity('shop'));
  for (const plane of [server, caller])
    plane.told([at('shop', CALLER, 0, []), at('db', SERVER, server.ports.inbound, ['db'])]);
  closers.push(authority.close, app.close, gateway.close, server.close, caller.close);
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  for (const plane of [gateway, server, caller]) plane.unconfigure();
  gateway.apply(FROM_PROXY, edgeTo('app.test'), serviceEntry('app.test', app.port));
  seen = [];
});

interface Client {
  /** Writes this, and waits until all of this came back since. */
  ask(text: string, answer?: string): Promise<void>;
  close(): void;
}

function client(port: number, first = '', host = '127.0.0.1'): Client {
  const socket = connect({ port, host });
  closers.push(() => socket.destroy());
  let heard = '';
  socket.on('data', (chunk) => (heard += chunk)).on('error', () => undefined);
  if (first !== '') socket.write(first);
  return {
    async ask(text, answer = 'hello') {
      heard = '';
      socket.write(text);
      await until(answer, () => heard.endsWith(answer));
    },
    close: () => socket.destroy(),
  };
}

for (const version of ['V1', 'V2']) {
  test(`requests leave on connections of their client, who is named in ${version}`, async () => {
    gateway.apply(rule(`{ proxyProtocol: { version: ${version} } }`));
    const [one, other] = ['192.0.2.1', '192.0.2.2'].map((address) => client(gateway.ports.gateway, named(address)));
    for (let i = 0; i < 3; i++) {
      await one.ask(GET);
      await other.ask(GET);
    }
    assert.deepEqual(
      seen.map(({ client }) => client),
      ['192.0.2.1:56324', '192.0.2.2:56324'],
    );
    for (const { text } of seen) assert.equal(text.match(/GET \/ HTTP/g)!.length, 3);
    const again = client(gateway.ports.gateway, 'PROXY UNKNOWN\r\n');
    await again.ask(GET);
    assert.match(seen[2].client, /^127\.0\.0\.1:\d+$/);
    // Those without a header are others.
    gateway.apply(rule('{ loadBalancer: { simple: RANDOM } }'));
    await one.ask(GET);
    assert.equal(seen[3].client, '');
  });
}

test('bytes follow it, without any of the client as well', async () => {
  gateway.unconfigure();
  gateway.apply(
    FROM_PROXY,
    asTcp(edgeTo('app.test')),
    asTcp(serviceEntry('app.test', app.port)),
    rule('{ proxyProtocol: {} }'),
  );
  const one = client(gateway.ports.gateway, named('192.0.2.1'));
  await one.ask('ping', 'ping');
  assert.deepEqual(seen, [{ client: '192.0.2.1:56324', text: 'ping' }]);
  client(gateway.ports.gateway, named('192.0.2.3'));
  await until('the header', () => seen[1]?.client === '192.0.2.3:56324');
});

test('TLS that leaves the mesh begins after it', async () => {
  gateway.apply(rule('{ proxyProtocol: { version: V2 }, tls: { mode: SIMPLE, insecureSkipVerify: true } }'));
  const one = client(gateway.ports.gateway, named('192.0.2.1'));
  await one.ask(GET);
  await one.ask(GET);
  assert.deepEqual(
    seen.map(({ client }) => client),
    ['192.0.2.1:56324'],
  );
});

test('a subset may ask for another version, or first', async () => {
  gateway.unconfigure();
  gateway.apply(
    FROM_PROXY,
    edgeTo('app.test').replace('host: app.test', 'host: app.test, subset: all'),
    serviceEntry('app.test', app.port),
    rule('{ proxyProtocol: { version: V2 } }').replace(/ }$/, ', subsets: [{ name: all }] }'),
  );
  await client(gateway.ports.gateway, named('192.0.2.1')).ask(GET);
  gateway.apply(
    rule('{ loadBalancer: { simple: RANDOM } }').replace(
      / }$/,
      ', subsets: [{ name: all, trafficPolicy: { proxyProtocol: {} } }] }',
    ),
  );
  await client(gateway.ports.gateway, named('192.0.2.2')).ask(GET);
  assert.deepEqual(
    seen.map(({ client }) => client),
    ['192.0.2.1:56324', '192.0.2.2:56324'],
  );
});

test('between sidecars bytes have it inside of mutual TLS, up to the application, and requests have none', async () => {
  caller.apply(rule('{ proxyProtocol: {} }', 'db'));
  await client(caller.upstreams['db:5432']).ask('ping', 'ping');
  assert.match(seen[0].client, /^127\.0\.0\.1:\d+$/);
  assert.equal(seen[0].text, 'ping');
  await client(caller.ports.outbound, '', CALLER).ask('GET / HTTP/1.1\r\nHost: db\r\n\r\n');
  assert.equal(seen[1].client, '');
});
