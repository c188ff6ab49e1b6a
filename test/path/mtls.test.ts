import assert from 'node:assert/strict';
import { connect as connectTcp, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { flagNames } from '../../core/errors.ts';
import type { WorkloadIdentity } from '../../core/workload.ts';
import { until } from '../until.ts';
import { exchangeBytes, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { destinationRule, factsOf, peerAuthentication, workload } from './mtls-rules.ts';
import { type SidecarPair, startSidecarPair } from './sidecar-pair.ts';

// Two sidecars with certificates of one authority, each on a loopback address of its own.
const CALLER = '127.43.0.1';
const SERVER = '127.43.0.2';
const PRODUCTPAGE = 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage';
const DETAILS = 'spiffe://cluster.local/ns/default/sa/bookinfo-details';

let pair: SidecarPair;
let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;
let callerIdentity: WorkloadIdentity;
let serverIdentity: WorkloadIdentity;
let seen: Record<string, string | string[] | undefined> = {};
let facts: ReturnType<typeof factsOf> | null = null;

before(async () => {
  pair = await startSidecarPair(
    '127.43.0',
    (request, response) => {
      seen = request.headers;
      if (request.url === '/slow') response.write('a');
      else response.end('details');
    },
    { sink: { exchangeEnded: (record) => (facts = factsOf(record)) } },
  );
  ({ authority, caller, server } = pair);
  callerIdentity = await authority.identity('bookinfo-productpage');
  serverIdentity = await authority.identity('bookinfo-details');
});
after(() => pair.close());

beforeEach(() => {
  seen = {};
  facts = null;
  server.plane.setIdentity(serverIdentity);
  caller.plane.setIdentity(callerIdentity);
  // Connections of the test before are given up.
  for (const { told } of [server, caller]) told([]);
  for (const { told } of [server, caller]) told(pair.endpoints());
  server.apply(peerAuthentication('PERMISSIVE'));
});

/** Through the caller's sidecar. */
async function viaSidecar(path = '/'): Promise<string> {
  const wire = `GET ${path} HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n`;
  return exchangeBytes(caller.ports.outbound, wire, undefined, CALLER);
}

/** To the server's sidecar, in plain text. */
function plain(headers = ''): Promise<string> {
  const wire = `GET / HTTP/1.1\r\nHost: details\r\n${headers}Connection: close\r\n\r\n`;
  return exchangeBytes(server.ports.inbound, wire, undefined, SERVER);
}

/** To the server's sidecar, in TLS. Resolves with what it says, or with why it is closed. */
function secure(identity: WorkloadIdentity | null, headers = '', roots = serverIdentity.roots): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const own = identity === null ? {} : { key: identity.key, cert: identity.chain };
  const where = { host: SERVER, port: server.ports.inbound, ca: roots, checkServerIdentity: () => undefined };
  const socket = connectTls({ ...where, ...own });
  let got = '';
  socket.on('data', (chunk) => {
    got += chunk;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(`error ${error.code}`));
  socket.on('close', () => resolve(got));
  socket.write(`GET / HTTP/1.1\r\nHost: details\r\n${headers}Connection: close\r\n\r\n`);
  return promise;
}

test('sidecars speak TLS to each other, and the certificate says who calls', async () => {
  assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
  assert.equal(server.records.at(-1)?.principal, PRODUCTPAGE.slice(9));
  assert.equal(server.records.at(-1)?.source, 'productpage');
  assert.deepEqual(facts, {
    'connection.mtls': true,
    'connection.tls_version': 'TLSv1.3',
    'connection.requested_server_name': 'outbound_.80_._.details.default.svc.cluster.local',
    'connection.uri_san_peer_certificate': PRODUCTPAGE,
    'connection.uri_san_local_certificate': DETAILS,
  });
  assert.match(
    String(seen['x-forwarded-client-cert']),
    new RegExp(`^By=${DETAILS};Hash=[0-9a-f]{64};Subject="";URI=${PRODUCTPAGE}$`),
  );
});

test('plain text and TLS are both taken at one port, and only a certificate is told on', async () => {
  const forged = 'x-forwarded-client-cert: URI=spiffe://cluster.local/ns/default/sa/admin\r\n';
  assert.match(await plain(forged), /^HTTP\/1\.1 200 /);
  assert.equal(seen['x-forwarded-client-cert'], undefined);
  assert.equal(server.records.at(-1)?.principal, '');
  assert.equal(facts?.['connection.mtls'], false);
  const other = await authority.identity('admin');
  assert.match(await secure(other, 'x-forwarded-client-cert: By=a;URI=b\r\n'), /^HTTP\/1\.1 200 /);
  assert.match(String(seen['x-forwarded-client-cert']), /^By=a;URI=b,By=spiffe:.*sa\/admin$/);
  assert.equal(server.records.at(-1)?.principal, 'cluster.local/ns/default/sa/admin');
});

test('a certificate counts before the address that a connection comes from', async () => {
  const admin = await authority.identity('admin');
  const socket = connectTcp({ host: SERVER, port: server.ports.inbound, localAddress: CALLER });
  const tls = connectTls({
    socket,
    key: admin.key,
    cert: admin.chain,
    ca: admin.roots,
    checkServerIdentity: () => undefined,
  });
  tls.end('GET / HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n');
  await server.ended(server.records.length + 1);
  assert.equal(server.records.at(-1)?.principal, 'cluster.local/ns/default/sa/admin');
  assert.equal(server.records.at(-1)?.source, '');
  tls.destroy();
});

test('STRICT takes no plain text, and closes it as Envoy does; TLS goes on', async () => {
  server.apply(peerAuthentication('STRICT'));
  const before = server.records.length;
  assert.equal(await plain(), '');
  assert.equal(server.records.length, before);
  assert.ok(server.logs.some((line) => /it speaks plain text, and mutual TLS is STRICT here/.test(line)));
  assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
});

test('DISABLE takes no TLS: to HTTP it is no request', async () => {
  server.apply(peerAuthentication('DISABLE'));
  assert.match(await plain(), /^HTTP\/1\.1 200 /);
  const before = server.records.length;
  assert.match(await secure(callerIdentity), /^error /);
  assert.equal(server.records.length, before + 1);
  assert.equal(server.records.at(-1)?.code, 400);
  assert.equal(flagNames(server.records.at(-1)!.flags), 'DPE');
  assert.equal(server.records.at(-1)?.details, 'http1.codec_error{tls_not_http}');
});

test('connections that a mode no longer takes end after what they have begun', async () => {
  const socket = connectTcp(server.ports.inbound, SERVER);
  let got = '';
  let closed = false;
  socket.on('data', (chunk) => {
    got += chunk;
  });
  socket.on('close', () => {
    closed = true;
  });
  socket.write('GET / HTTP/1.1\r\nHost: details\r\n\r\n');
  await until('an answer', () => got.includes('details'));
  server.apply(peerAuthentication('STRICT'));
  socket.write('GET / HTTP/1.1\r\nHost: details\r\n\r\n');
  await until('the connection ends', () => closed);
  assert.equal(got.split('HTTP/1.1 200').length - 1, 2);
  assert.match(got, /Connection: close/i);
});

test('a port before its workload, before its namespace, before the mesh; UNSET inherits', async () => {
  const port = server.plane.dump('routes') as { listener: string; virtualHost: string }[];
  const appPort = port.find(({ listener }) => listener === 'inbound')!.virtualHost.split('|')[2];
  const mesh = (mode: string) =>
    peerAuthentication(mode).replace('name: default', 'name: mesh, namespace: istio-system');
  const own = (mode: string, ports = '') =>
    peerAuthentication(mode, `, selector: { matchLabels: { app: details } } ${ports}`, 'own');
  const taken = async () => ((await plain()) === '' ? 'STRICT' : 'PERMISSIVE');
  server.apply(mesh('STRICT'), peerAuthentication('UNSET'));
  assert.equal(await taken(), 'STRICT');
  server.apply(peerAuthentication('PERMISSIVE'));
  assert.equal(await taken(), 'PERMISSIVE');
  server.apply(own('STRICT'));
  assert.equal(await taken(), 'STRICT');
  server.apply(own('STRICT', `, portLevelMtls: { ${appPort}: { mode: PERMISSIVE } }`));
  assert.equal(await taken(), 'PERMISSIVE');
  server.apply(own('STRICT', ', portLevelMtls: { 1: { mode: PERMISSIVE } }'));
  assert.equal(await taken(), 'STRICT');
  server.apply(own('UNSET').replace('app: details', 'app: other'), mesh('UNSET'));
  assert.equal(await taken(), 'PERMISSIVE');
});

test('a session is resumed, and not with another certificate than it was begun with', async () => {
  const again: boolean[] = [];
  const options = {
    host: SERVER,
    port: server.ports.inbound,
    ca: callerIdentity.roots,
    checkServerIdentity: () => undefined,
  };
  const own = { key: callerIdentity.key, cert: callerIdentity.chain };
  let session: Buffer | undefined;
  for (const identity of [serverIdentity, serverIdentity, await authority.identity('bookinfo-details')]) {
    server.plane.setIdentity(identity);
    const socket = connectTls({ ...options, ...own, session });
    socket.on('session', (fresh) => {
      session = fresh;
    });
    socket.once('secureConnect', () => again.push(socket.isSessionReused()));
    let got = '';
    socket.on('data', (chunk) => {
      got += chunk;
    });
    socket.write('GET / HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    assert.match(got, /^HTTP\/1\.1 200 /);
    // Also without a handshake it is known who calls.
    assert.equal(server.records.at(-1)?.principal, PRODUCTPAGE.slice(9));
  }
  assert.deepEqual(again, [false, true, false]);
});

test('a certificate that is expired, not yet valid, foreign, or shown by nobody is refused, and it is told why', async () => {
  const other = await testAuthority();
  const now = Date.now();
  const day = 24 * 3_600_000;
  const refused: [what: string, identity: WorkloadIdentity | null, why: RegExp][] = [
    ['expired', await authority.identity('a', { now: now - 600_000, lifeMs: 60_000 }), /CERT_HAS_EXPIRED/],
    ['not yet valid', await authority.identity('a', { now: now + day, lifeMs: day }), /CERT_NOT_YET_VALID/],
    ['foreign', await other.identity('a'), /its certificate is refused: /],
    ['none', null, /the client shows no certificate/],
  ];
  await other.close();
  const before = server.records.length;
  for (const [what, identity, why] of refused) {
    server.logs.length = 0;
    assert.doesNotMatch(await secure(identity), /HTTP/, what);
    await until(`${what} is told`, () => server.logs.some((line) => why.test(line)));
  }
  assert.equal(server.records.length, before);
});

test('how many handshakes came and failed, and how much plain text was turned away, is counted', async () => {
  type Counts = { kind: string; mtls: string; handshakes: number; handshakesFailed: number; plainRefused: number };
  const counts = () => (server.plane.dump('listeners') as Counts[]).find(({ kind }) => kind === 'inbound')!;
  const before = counts();
  assert.equal(before.mtls, 'PERMISSIVE');
  server.apply(peerAuthentication('STRICT'));
  assert.match(await secure(callerIdentity), /^HTTP\/1\.1 200 /);
  assert.equal(await plain(), '');
  assert.doesNotMatch(await secure(null), /HTTP/);
  await until('the failure is counted', () => counts().handshakesFailed === before.handshakesFailed + 1);
  const { mtls, handshakes, plainRefused } = counts();
  assert.deepEqual([mtls, handshakes, plainRefused], ['STRICT', before.handshakes + 1, before.plainRefused + 1]);
});

test('who answers has to be whom the registry has there: a request never reaches another', async () => {
  const before = server.records.length;
  server.plane.setIdentity(await authority.identity('bookinfo-reviews'));
  const answer = await viaSidecar();
  assert.match(answer, /^HTTP\/1\.1 503 /);
  assert.match(
    answer,
    /upstream connect error or disconnect\/reset before headers\. reset reason: remote connection failure/,
  );
  const { flags, details } = caller.records.at(-1)!;
  assert.equal(flagNames(flags), 'UF,URX');
  assert.match(
    details,
    /\{remote_connection_failure\|TLS_error:_CERTIFICATE_VERIFY_FAILED:\S+bookinfo-reviews_answers/,
  );
  assert.equal(server.records.length, before);
});

test('a server whose certificate has expired, or is foreign, is not asked', async () => {
  const other = await testAuthority();
  const expired = await authority.identity('bookinfo-details', { now: Date.now() - 600_000, lifeMs: 60_000 });
  const before = server.records.length;
  for (const identity of [expired, await other.identity('bookinfo-details')]) {
    server.plane.setIdentity(identity);
    assert.match(await viaSidecar(), /^HTTP\/1\.1 503 /);
  }
  await other.close();
  assert.equal(server.records.length, before);
});

test('a rule says whether TLS is spoken, under which name, and to whom', async () => {
  caller.apply(destinationRule('{ mode: DISABLE }'));
  assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
  assert.equal(facts?.['connection.mtls'], false);
  // In plain text its own address says who calls.
  assert.equal(server.records.at(-1)?.principal, PRODUCTPAGE.slice(9));
  caller.apply(destinationRule(`{ mode: ISTIO_MUTUAL, sni: details.test, subjectAltNames: ["${DETAILS}"] }`));
  assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
  assert.equal(facts?.['connection.requested_server_name'], 'details.test');
  caller.apply(destinationRule('{ mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://cluster.local/ns/default/sa/x"] }'));
  assert.match(await viaSidecar(), /^HTTP\/1\.1 503 /);
  assert.equal(flagNames(caller.records.at(-1)!.flags), 'UF,URX');
  // Also to who does not say that it takes TLS: never in plain text instead.
  caller.apply(destinationRule('{ mode: ISTIO_MUTUAL }'));
  const silent = pair.endpoints().map((endpoint) => ({ ...endpoint, tls: false }));
  caller.told(silent);
  assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
  assert.equal(facts?.['connection.mtls'], true);
  server.apply(peerAuthentication('DISABLE'));
  // A connection that was there may answer what is on its way.
  await until('it fails', async () => /^HTTP\/1\.1 503 /.test(await viaSidecar()));
  caller.apply(destinationRule('{}'));
});

test('half a handshake holds nothing but its own connection, and bytes that are none end it', async () => {
  const half: Socket = connectTcp(server.ports.inbound, SERVER);
  half.on('error', () => undefined);
  half.write(Buffer.from('16030100', 'hex'));
  assert.match(await viaSidecar(), /^HTTP\/1\.1 200 /);
  half.destroy();
  const ended = connectTcp({ host: SERVER, port: server.ports.inbound, allowHalfOpen: true });
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  ended.on('end', resolve).resume();
  ended.end(Buffer.from('16030100', 'hex'));
  await closed;
  ended.destroy();
  const broken = await exchangeBytes(
    server.ports.inbound,
    Buffer.from(`160301${'ff'.repeat(600)}`, 'hex'),
    undefined,
    SERVER,
  );
  assert.doesNotMatch(broken, /HTTP/);
});

test('another certificate is taken without a connection being lost, and new ones show it', async () => {
  const held = connectTls({
    ...{ host: SERVER, port: server.ports.inbound, key: callerIdentity.key, cert: callerIdentity.chain },
    ...{ ca: callerIdentity.roots, checkServerIdentity: () => undefined },
  });
  let got = '';
  held.on('data', (chunk) => {
    got += chunk;
  });
  held.write('GET / HTTP/1.1\r\nHost: details\r\n\r\n');
  await until('the first answer', () => got.includes('details'));
  const next = await authority.identity('bookinfo-details');
  server.plane.setIdentity(next);
  held.write('GET / HTTP/1.1\r\nHost: details\r\n\r\n');
  await until('the second answer', () => got.split('HTTP/1.1 200').length === 3);
  held.destroy();
  const fresh = connectTls({
    host: SERVER,
    port: server.ports.inbound,
    ca: next.roots,
    checkServerIdentity: () => undefined,
  });
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  fresh.once('secureConnect', () => resolve(fresh.getPeerX509Certificate()?.serialNumber));
  const shown = await promise;
  fresh.destroy();
  assert.equal(shown, new (await import('node:crypto')).X509Certificate(next.chain).serialNumber);
});

test('without a certificate of its own a sidecar speaks and takes plain text', async () => {
  const app = await startApp((_, response) => response.end('bare'));
  const bare = await startDataPlane({ address: '127.43.0.3', appPort: app.port });
  const listed = { ...workload('bare', '127.43.0.3', bare.ports.inbound, ['details']), tls: true };
  bare.told([listed]);
  try {
    const wire = 'GET / HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n';
    assert.match(await exchangeBytes(bare.ports.outbound, wire, undefined, '127.43.0.3'), /200 OK[\s\S]*bare/);
    bare.apply(peerAuthentication('STRICT'));
    // A connection that was there may answer what is on its way.
    await until('plain text is refused', async () =>
      /^HTTP\/1\.1 503 /.test(await exchangeBytes(bare.ports.outbound, wire, undefined, '127.43.0.3')),
    );
  } finally {
    bare.close();
    await app.close();
  }
});
