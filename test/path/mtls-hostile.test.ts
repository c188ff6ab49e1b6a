// Two sidecars of which one is not what it should be: its certificate, its clock, or what it does in and after a handshake. What the
// other one counts, tells, and writes of a request is Envoy's.

import assert from 'node:assert/strict';
import { type AddressInfo, connect as connectTcp, createServer as createTcp, type Server, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { flagNames } from '../../core/errors.ts';
import type { WorkloadIdentity } from '../../core/workload.ts';
import { exchangeBytes, type RunningDataPlane } from './data-plane.ts';
import { helloOf } from './gateway-clients.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { destinationRule, peerAuthentication } from './mtls-rules.ts';
import { type SidecarPair, startSidecarPair } from './sidecar-pair.ts';

const CALLER = '127.43.21.1';
const SERVER = '127.43.21.2';
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

let pair: SidecarPair;
let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;
let callerIdentity: WorkloadIdentity;
let serverIdentity: WorkloadIdentity;
const closers: (() => unknown)[] = [];

before(async () => {
  pair = await startSidecarPair('127.43.21', (_, response) => response.end('details'));
  ({ authority, caller, server } = pair);
  callerIdentity = await authority.identity('bookinfo-productpage');
  serverIdentity = await authority.identity('bookinfo-details');
  closers.push(pair.close);
});
after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  server.plane.setIdentity(serverIdentity);
  caller.plane.setIdentity(callerIdentity);
  for (const { apply } of [server, caller]) apply(peerAuthentication('STRICT'));
  tell(server.ports.inbound);
});

/** Where details is. Connections from before are given up. */
function tell(port: number): void {
  for (const { told } of [server, caller]) told([]);
  for (const { told } of [server, caller]) told(pair.endpoints(port));
}

const ask = (): Promise<string> =>
  exchangeBytes(
    caller.ports.outbound,
    'GET / HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n',
    undefined,
    CALLER,
  );

/** What the caller's sidecar writes of a request that the server's is not asked for. */
async function refused(what: string): Promise<string> {
  const asked = server.records.length;
  assert.match(await ask(), /^HTTP\/1\.1 503 /, what);
  assert.equal(server.records.length, asked, what);
  const { flags, details } = caller.records.at(-1)!;
  return `${flagNames(flags)} ${details}`;
}

async function listening(given: Server): Promise<number> {
  await new Promise<void>((resolve) => given.listen(0, SERVER, resolve));
  closers.push(() => given.close());
  return (given.address() as AddressInfo).port;
}

test('a server whose certificate is expired, not yet valid, foreign or another’s is not asked, and it is told why', async () => {
  const other = await testAuthority();
  const now = Date.now();
  const details = 'bookinfo-details';
  const wrong: [what: string, identity: WorkloadIdentity, why: RegExp][] = [
    [
      'expired',
      await authority.identity(details, { now: now - 10 * MINUTE, lifeMs: MINUTE }),
      /certificate_has_expired/,
    ],
    ['not yet', await authority.identity(details, { now: now + DAY, lifeMs: DAY }), /certificate_is_not_yet_valid/],
    [
      'foreign',
      await other.identity(details),
      /certificate_signature_failure|self.signed_certificate_in|unable_to_get/,
    ],
    [
      'another',
      await authority.identity('reviews'),
      /spiffe:\S+\/sa\/reviews_answers,_in_place_of_spiffe:\S+\/sa\/bookinfo-details/,
    ],
  ];
  await other.close();
  for (const [what, identity, why] of wrong) {
    server.plane.setIdentity(identity);
    const written = await refused(what);
    assert.match(
      written,
      /^UF,URX upstream_reset_before_response_started\{remote_connection_failure\|TLS_error:_CERTIFICATE_VERIFY_FAILED:_/,
    );
    assert.match(written, why, what);
  }
});

test('a caller whose certificate is wrong is refused: the server counts it and tells why, and nothing is asked', async () => {
  const other = await testAuthority();
  const now = Date.now();
  const wrong: [what: string, identity: WorkloadIdentity, why: RegExp][] = [
    ['expired', await authority.identity('a', { now: now - 10 * MINUTE, lifeMs: MINUTE }), /CERT_HAS_EXPIRED/],
    ['not yet', await authority.identity('a', { now: now + DAY, lifeMs: DAY }), /CERT_NOT_YET_VALID/],
    [
      'foreign',
      { ...(await other.identity('a')), roots: callerIdentity.roots },
      /its certificate is refused: (CERT_SIGNATURE_FAILURE|SELF_SIGNED|UNABLE_TO)/,
    ],
  ];
  await other.close();
  type Counts = { readonly kind: string; readonly handshakesFailed: number };
  const failed = (): number =>
    (server.plane.dump('listeners') as Counts[]).find(({ kind }) => kind === 'inbound')!.handshakesFailed;
  for (const [what, identity, why] of wrong) {
    const before = failed();
    server.logs.length = 0;
    caller.plane.setIdentity(identity);
    assert.match(await refused(what), /^UC upstream_reset_before_response_started\{connection_termination\}$/, what);
    assert.ok(failed() > before, what);
    assert.ok(
      server.logs.some((line) => why.test(line)),
      what,
    );
  }
});

test('clocks that are ten minutes apart keep nobody from anybody', async () => {
  for (const off of [-10 * MINUTE, 10 * MINUTE]) {
    // Its root, too, was made a moment ago by its clock.
    const mesh = await testAuthority(undefined, Date.now() + off);
    const [one, another] = ['bookinfo-productpage', 'bookinfo-details'].map((name) =>
      mesh.identity(name, { now: Date.now() + off, lifeMs: DAY }),
    );
    caller.plane.setIdentity(await one);
    server.plane.setIdentity(await another);
    assert.match(await ask(), /^HTTP\/1\.1 200 /, `${off}`);
    await mesh.close();
  }
});

test('TLS to who takes none, and to who says nothing', async () => {
  server.apply(peerAuthentication('DISABLE'));
  assert.match(await ask(), /^HTTP\/1\.1 503 /);
  const { flags, details } = caller.records.at(-1)!;
  assert.equal(flagNames(flags), 'UF,URX');
  assert.match(details, /\{remote_connection_failure\|TLS_error:_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)\}$/);
  const held: Socket[] = [];
  const silent = createTcp((socket) => held.push(socket.on('error', () => undefined).resume()));
  closers.push(() => held.map((socket) => socket.destroy()));
  caller.apply(
    destinationRule('{ mode: ISTIO_MUTUAL }').replace(
      'trafficPolicy: {',
      'trafficPolicy: { connectionPool: { tcp: { connectTimeout: 50ms } },',
    ),
  );
  tell(await listening(silent));
  assert.equal(await refused('silent'), 'UF,URX upstream_reset_before_response_started{connection_timeout}');
  caller.apply(destinationRule('{ mode: ISTIO_MUTUAL }'));
});

test('who asks a sidecar for new keys on a connection of TLS 1.2 is cut off, and others are not', async () => {
  const client: TLSSocket = connect({
    ...{ host: SERVER, port: server.ports.inbound, ca: callerIdentity.roots, maxVersion: 'TLSv1.2' },
    ...{ key: callerIdentity.key, cert: callerIdentity.chain, checkServerIdentity: () => undefined },
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  client.on('error', () => undefined);
  client.once('close', () => resolve('cut off'));
  client.once('secureConnect', () => {
    client.write('GET / HTTP/1.1\r\nHost: details\r\n\r\n');
    client.once('data', () => {
      client.renegotiate({}, (error) => {
        if (error === null) resolve('has new keys');
      });
    });
  });
  assert.equal(await promise, 'cut off');
  client.destroy();
  assert.match(await ask(), /^HTTP\/1\.1 200 /);
});

test('a server that asks a sidecar for new keys in TLS 1.2 is cut off', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { key, chain: cert, roots: ca } = serverIdentity;
  const asking = createServer(
    { ...{ key, cert, ca, requestCert: true, maxVersion: 'TLSv1.2' }, ALPNProtocols: ['istio-http/1.1'] },
    (socket) => {
      socket.on('error', () => resolve('cut off'));
      socket.on('close', () => resolve('cut off'));
      socket.once('data', () => {
        socket.renegotiate({}, (error) => resolve(error === null ? 'has new keys' : 'cut off'));
      });
    },
  );
  tell(await listening(asking));
  const written = ask();
  assert.equal(await promise, 'cut off');
  assert.match(await written, /^HTTP\/1\.1 503 /);
});

test('a flood of handshakes that are begun and left keeps no other sidecar out', async () => {
  const hello = await helloOf();
  const flood: Socket[] = [];
  for (let i = 0; i < 200; i++) {
    const socket = connectTcp(server.ports.inbound, SERVER);
    socket.on('error', () => undefined);
    socket.write([hello.subarray(0, 60), hello, Buffer.from('\x16\x03\x01\x00\x05hello')][i % 3]);
    flood.push(socket);
  }
  await Promise.all(flood.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  assert.match(await ask(), /^HTTP\/1\.1 200 /);
  for (const socket of flood) socket.destroy();
});
