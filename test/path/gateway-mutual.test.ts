// What a gateway asks of its clients' certificates, and what is told on of them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Pair, type WebAuthority, webAuthority } from '../web-certificates.ts';
import { type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { NO_CREDENTIAL, overTls, type Told } from './gateway-clients.ts';
import { factsOf } from './mtls-rules.ts';

const SPIFFE = 'spiffe://partner.test/ns/shop/sa/till';
let authority: WebAuthority;
let edge: RunningDataPlane;
let client: Pair;
let seen: Record<string, string | string[] | undefined> = {};
let facts: ReturnType<typeof factsOf> | null = null;
const closers: (() => unknown)[] = [];

const gateway = (tls: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: https, protocol: HTTPS}, hosts: ['*'], tls: {credentialName: a, ${tls}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all}
spec: {hosts: ['*'], gateways: [edge], http: [{route: [{destination: {host: up.test, port: {number: 80}}}]}]}
`;

before(async () => {
  authority = await webAuthority();
  client = await authority.issue(['till.test'], { uris: [SPIFFE] });
  const app = await startApp((request, response) => {
    seen = request.headers;
    response.end('ok');
  });
  edge = await startDataPlane({
    role: 'gateway',
    yaml: [serviceEntry('up.test', app.port)],
    sink: { exchangeEnded: (record) => (facts = factsOf(record)) },
  });
  closers.push(app.close, edge.close);
  edge.plane.setCredential('kubernetes://a', { ...NO_CREDENTIAL, ...(await authority.issue(['a.test'])) });
  believe('');
});

after(async () => {
  for (const close of closers) await close();
});

function believe(crl: string): void {
  edge.plane.setCredential('kubernetes://a-cacert', { ...NO_CREDENTIAL, ca: authority.ca, crl });
}

const ask = (own: Partial<Pair> = {}, options: object = {}): Promise<Told> =>
  overTls({ port: edge.ports.gateway, ca: authority.ca, ...own, ...options });

/** It is refused, and the log says why. */
async function refused(own: Partial<Pair>, why: RegExp): Promise<void> {
  const told = await ask(own);
  assert.match(told.text, /^(error|closed)/);
  assert.ok(
    edge.logs.some((line) => why.test(line)),
    edge.logs.join('\n'),
  );
}

test('MUTUAL takes whose certificate is of whom it believes, and tells on whose it is', async () => {
  edge.apply(gateway('mode: MUTUAL'));
  assert.equal((await ask(client)).status, 200);
  const element = String(seen['x-forwarded-client-cert']);
  assert.match(element, /^Hash=[0-9a-f]{64};Cert="-----BEGIN%20CERTIFICATE-----%0A/);
  assert.match(element, new RegExp(`;Subject="CN=till.test";URI=${SPIFFE};DNS=till.test$`));
  assert.equal(facts?.['connection.mtls'], true);
  assert.equal(facts?.['connection.uri_san_peer_certificate'], SPIFFE);
  assert.equal(edge.records.at(-1)?.principal, SPIFFE.slice(9));
});

test('MeshConfig says what is told on of a certificate, and of what a client says of others', async () => {
  const forged = 'By=a;URI=spiffe://cluster.local/ns/default/sa/admin';
  const send = `GET / HTTP/1.1\r\nHost: a.test\r\nx-forwarded-client-cert: ${forged}\r\nConnection: close\r\n\r\n`;
  const told = async (how: string, own: Partial<Pair>): Promise<string | undefined> => {
    edge.apply(`
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: { defaultConfig: { gatewayTopology: { forwardClientCertDetails: ${how} } } }`);
    assert.equal((await ask(own, { send })).status, 200, how);
    return seen['x-forwarded-client-cert']?.toString().replace(/Hash=.*/, 'own');
  };
  edge.apply(gateway('mode: OPTIONAL_MUTUAL'));
  for (const [how, mutual, plain] of [
    ['SANITIZE', undefined, undefined],
    ['SANITIZE_SET', 'own', undefined],
    ['UNDEFINED', 'own', undefined],
    ['FORWARD_ONLY', forged, undefined],
    ['APPEND_FORWARD', `${forged},own`, undefined],
    ['ALWAYS_FORWARD_ONLY', forged, forged],
  ] as const) {
    assert.equal(await told(how, client), mutual, how);
    assert.equal(await told(how, {}), plain, how);
  }
  edge.apply(
    '{apiVersion: weft.dev/v1, kind: MeshConfig, metadata: {name: default}, spec: {}}',
    gateway('mode: MUTUAL'),
  );
});

test('who is no workload has no principal', async () => {
  assert.equal((await ask(await authority.issue(['plain.test']))).status, 200);
  assert.equal(edge.records.at(-1)?.principal, '');
  assert.equal(facts?.['connection.mtls'], true);
});

test('a certificate that is missing, foreign, expired or not valid yet is refused', async () => {
  const day = 86_400_000;
  await refused({}, /the client shows no certificate/);
  await refused(await (await webAuthority('Other')).issue(['till.test']), /its certificate is refused: UNABLE_TO_/);
  await refused(await authority.issue(['till.test'], { from: -day, to: -3_600_000 }), /CERT_HAS_EXPIRED/);
  await refused(await authority.issue(['till.test'], { from: 3_600_000, to: day }), /CERT_NOT_YET_VALID/);
});

test('a certificate that was revoked is refused, also where a session of it would be resumed', async () => {
  const first = await ask(client);
  assert.equal((await ask(client, { session: first.session })).resumed, true);
  believe(await authority.revoked([client.cert]));
  const again = await ask(client, { session: first.session });
  assert.equal(again.status, 0);
  assert.ok(edge.logs.some((line) => /CERT_REVOKED/.test(line)));
  assert.equal((await ask(await authority.issue(['other.test']))).status, 200);
  believe('');
});

test('names and pins are asked for', async () => {
  const other = await authority.issue(['other.test']);
  for (const name of ['till.test', SPIFFE]) {
    edge.apply(gateway(`mode: MUTUAL, subjectAltNames: ["${name}"]`));
    assert.equal((await ask(client)).status, 200);
    await refused(other, /has none of the subjectAltNames/);
  }
  const { X509Certificate, createHash } = await import('node:crypto');
  const certificate = new X509Certificate(client.cert);
  const key = createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  for (const pin of [`verifyCertificateSpki: ["${key}"]`, `verifyCertificateHash: ["${certificate.fingerprint256}"]`]) {
    edge.apply(gateway(`mode: MUTUAL, ${pin}`));
    assert.equal((await ask(client)).status, 200);
    await refused(other, /none of those that are pinned/);
  }
});

test('OPTIONAL_MUTUAL takes who shows none, and refuses who shows a wrong one', async () => {
  edge.apply(gateway('mode: OPTIONAL_MUTUAL'));
  assert.equal((await ask()).status, 200);
  assert.equal(seen['x-forwarded-client-cert'], undefined);
  assert.equal(facts?.['connection.mtls'], false);
  assert.equal((await ask(client)).status, 200);
  await refused(await (await webAuthority('Third')).issue(['till.test']), /its certificate is refused/);
});

test('who connected before more was asked for is sent nothing any more', async () => {
  edge.apply(gateway('mode: SIMPLE'));
  const { connect } = await import('node:tls');
  const socket = connect({ host: '127.0.0.1', port: edge.ports.gateway, servername: 'a.test', ca: authority.ca });
  closers.push(() => socket.destroy());
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => undefined);
  const answered = (head: RegExp) =>
    new Promise<void>((resolve) => {
      const look = (): void => {
        if (head.test(text)) resolve();
      };
      socket.on('data', look).on('close', resolve);
    });
  socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await answered(/ok/);
  edge.apply(gateway('mode: MUTUAL'));
  text = '';
  socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await answered(/HTTP/);
  assert.doesNotMatch(text, /^HTTP\/1\.1 200/);
});
