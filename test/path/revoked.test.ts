// Two sidecars of which one is revoked: its peers begin no connection with it any more, and end those that there are.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Revoked } from '../../bus/certificate-types.ts';
import { nodeMark } from '../../core/config/serial.ts';
import { flagNames } from '../../core/errors.ts';
import type { WorkloadIdentity } from '../../core/workload.ts';
import { until } from '../until.ts';
import { exchangeBytes, type RunningDataPlane } from './data-plane.ts';
import type { TestAuthority } from './identities.ts';
import { peerAuthentication } from './mtls-rules.ts';
import { type SidecarPair, startSidecarPair } from './sidecar-pair.ts';

const CALLER = '127.43.10.1';
const SERVER = '127.43.10.2';
/** An hour ago: what is signed for it now counts. */
const SINCE = Math.floor(Date.now() / 1_000) - 3_600;

let pair: SidecarPair;
let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;
/** As each had it before. */
let callerIdentity: WorkloadIdentity;
let serverIdentity: WorkloadIdentity;

before(async () => {
  pair = await startSidecarPair('127.43.10', (request, response) => {
    if (request.url === '/slow') response.write('a');
    else response.end('details');
  });
  ({ authority, caller, server } = pair);
  for (const { told } of [server, caller]) told(pair.endpoints());
  server.apply(peerAuthentication('STRICT'));
  callerIdentity = await identity('productpage');
  serverIdentity = await identity('details');
});
after(() => pair.close());

beforeEach(() => {
  server.plane.setIdentity(serverIdentity);
  caller.plane.setIdentity(callerIdentity);
});

/** What the one of that name gets once these are revoked. */
function identity(name: string, ...nodes: readonly string[]): Promise<WorkloadIdentity> {
  const revoked: Revoked = Object.fromEntries(
    nodes.map((node) => [nodeMark(node), { since: SINCE, until: SINCE + 90_000 }]),
  );
  return authority.identity(`bookinfo-${name}`, { node: name, revoked });
}

const wire = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n`;

async function status(path = '/'): Promise<string> {
  return (await exchangeBytes(caller.ports.outbound, wire(path), undefined, CALLER)).slice(9, 12);
}

/** A client with the caller's certificate, straight to the server's sidecar. */
async function client(own: WorkloadIdentity): Promise<TLSSocket> {
  const where = { host: SERVER, port: server.ports.inbound, ca: own.roots, checkServerIdentity: () => undefined };
  const socket = connectTls({ ...where, key: own.key, cert: own.chain });
  socket.on('error', () => undefined);
  socket.resume();
  await new Promise<void>((secure, gone) => {
    socket.once('secureConnect', secure);
    socket.once('close', () => gone(new Error('closed')));
  });
  return socket;
}

type Counts = { readonly kind: string; readonly handshakesFailed: number };
const failed = (): number =>
  (server.plane.dump('listeners') as Counts[]).find(({ kind }) => kind === 'inbound')!.handshakesFailed;

test('who was revoked is refused as a caller, which is counted and told, and others are not', async () => {
  assert.equal(await status(), '200');
  const count = failed();
  server.logs.length = 0;
  server.plane.setIdentity(await identity('details', 'productpage'));
  assert.equal(await status(), '503');
  await until('it is told', () =>
    server.logs.some((line) => /is refused: its certificate is refused: CERT_REVOKED/.test(line)),
  );
  assert.ok(failed() > count);
  caller.plane.setIdentity(await identity('other'));
  assert.equal(await status(), '200');
});

test('connections that a revoked caller has are closed, with what is under way on them; those of others stay', async () => {
  const [stolen, other] = [await client(callerIdentity), await client(await identity('other'))];
  for (const socket of [stolen, other]) socket.write('GET /slow HTTP/1.1\r\nHost: details\r\n\r\n');
  await until('both are served', () => stolen.bytesRead > 0 && other.bytesRead > 0);
  server.logs.length = 0;
  server.plane.setIdentity(await identity('details', 'productpage'));
  await until('it is closed', () => stolen.closed);
  assert.equal(other.closed, false);
  assert.ok(server.logs.some((line) => /connections are closed: their proxies were revoked/.test(line)));
  other.destroy();
});

test('a server that was revoked is not asked: neither anew nor on a connection that is open', async () => {
  assert.equal(await status(), '200');
  const asked = server.records.length;
  caller.plane.setIdentity(await identity('productpage', 'details'));
  assert.equal(await status(), '503');
  assert.equal(server.records.length, asked);
  const { flags, details } = caller.records.at(-1)!;
  assert.equal(flagNames(flags), 'UF,URX');
  assert.match(details, /TLS_error:_CERTIFICATE_VERIFY_FAILED:_certificate_revoked/);
});

test('one of the same name that gets its certificate afterwards is taken', async () => {
  server.plane.setIdentity(await identity('details', 'productpage'));
  assert.equal(await status(), '503');
  caller.plane.setIdentity(await identity('productpage', 'productpage'));
  assert.equal(await status(), '200');
});
