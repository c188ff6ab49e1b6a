import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer, type Server } from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ATTRIBUTES } from '../../core/attributes.ts';
import { flagNames } from '../../core/errors.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import { type PublicAuthority, pemFolder, publicAuthority } from '../control/authority/public-authority.ts';
import { exchangeBytes, type RunningDataPlane, startDataPlane } from './data-plane.ts';

// Istio's task egress-tls-origination: up.example is outside of the mesh and speaks https at 443, and the application asks in plain http.
let plane: RunningDataPlane;
let trusted: PublicAuthority;
let foreign: PublicAuthority;
let folder: Awaited<ReturnType<typeof pemFolder>>;
let roots = '';
let client: { cert: string; key: string };
/** What the server has seen. */
let asked: { name: string; protocol: string; subject: string; resumed: boolean; headers: object } | null = null;
/** What is known of the connection to it. */
let facts: Record<string, unknown> = {};
const closers: (() => unknown)[] = [];
const UP = [{ type: 'dns', value: 'up.example' }] as const;

before(async () => {
  folder = await pemFolder();
  [trusted, foreign] = await Promise.all([publicAuthority(), publicAuthority()]);
  client = await trusted.issue([{ type: 'url', value: 'spiffe://outside/client' }]);
  roots = await folder.write('roots.pem', trusted.root);
  const before = process.env.SSL_CERT_FILE;
  process.env.SSL_CERT_FILE = roots;
  plane = await startDataPlane({ sink: { exchangeEnded: (record) => (facts = factsOf(record)) } });
  closers.push(plane.close, folder.gone, () => {
    if (before === undefined) delete process.env.SSL_CERT_FILE;
    else process.env.SSL_CERT_FILE = before;
  });
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  asked = null;
});

function factsOf(record: ExchangeRecord): Record<string, unknown> {
  const names = [
    'tls_version',
    'subject_peer_certificate',
    'dns_san_peer_certificate',
    'uri_san_peer_certificate',
  ] as const;
  return Object.fromEntries(names.map((name) => [name, ATTRIBUTES[`upstream.${name}`].read(record)]));
}

function answer({ socket, headers }: IncomingMessage, response: { end(text: string): unknown }): void {
  const tls = socket as TLSSocket;
  const { subject } = tls.getPeerCertificate() ?? {};
  asked = {
    name: String(tls.servername),
    protocol: String(tls.alpnProtocol),
    subject: String(subject?.CN ?? ''),
    resumed: tls.isSessionReused(),
    headers,
  };
  response.end('over https');
}

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function httpsServer(shown: { cert: string; key: string }, options: object = {}): Promise<number> {
  return listening(createServer({ ...shown, ...options }, answer));
}

/** The task's ServiceEntry: http at 80 is asked for at the port of https. */
const entry = (port: number): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: up }
spec:
  hosts: [up.example]
  ports:
  - { number: 80, name: http-port, protocol: HTTP, targetPort: ${port} }
  - { number: 443, name: https-port, protocol: HTTPS, targetPort: ${port} }
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1 }]`;

const rule = (tls: string, rest = ''): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: up }
spec: { host: up.example, trafficPolicy: { tls: ${tls} ${rest} } }`;

const portRule = (tls: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: up }
spec: { host: up.example, trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, tls: ${tls} }] } }`;

const subsetRule = (tls: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: up }
spec: { host: up.example, subsets: [{ name: a, trafficPolicy: { tls: ${tls} } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: up }
spec: { hosts: [up.example], http: [{ route: [{ destination: { host: up.example, subset: a } }] }] }`;

const ask = (): Promise<string> =>
  exchangeBytes(plane.ports.outbound, 'GET / HTTP/1.1\r\nHost: up.example\r\nConnection: close\r\n\r\n');

/** Why nothing is sent: what the client reads, and the log. */
async function refused(reason: RegExp): Promise<void> {
  const got = await ask();
  assert.match(got, /^HTTP\/1\.1 503 [\s\S]*transport failure reason: TLS_error: /);
  assert.match(got, reason);
  const { flags, details } = plane.records.at(-1)!;
  assert.match(flagNames(flags) ?? '', /^UF/);
  assert.match(details, /^upstream_reset_before_response_started\{remote_connection_failure\|TLS_error:_\S+\}$/);
  assert.match(details.replaceAll('_', ' '), new RegExp(reason.source.replaceAll('_', ' ')));
  assert.equal(asked, null);
}

test('SIMPLE speaks TLS to who has the name, by the roots of the system, without a certificate of its own', async () => {
  const port = await httpsServer(await trusted.issue(UP), { requestCert: true, rejectUnauthorized: false });
  for (const written of [rule('{ mode: SIMPLE }'), portRule('{ mode: SIMPLE }'), subsetRule('{ mode: SIMPLE }')]) {
    plane.unconfigure();
    plane.apply(entry(port), written);
    assert.match(await ask(), /^HTTP\/1\.1 200 [\s\S]*over https/);
    const { name, protocol, subject } = asked!;
    assert.deepEqual([name, protocol, subject], ['up.example', 'http/1.1', '']);
    assert.deepEqual(facts, {
      tls_version: 'TLSv1.3',
      subject_peer_certificate: 'O=Example,CN=subject.example',
      dns_san_peer_certificate: 'up.example',
      uri_san_peer_certificate: undefined,
    });
  }
  plane.unconfigure();
});

test('who has another name than asked for, or than the rule says, is not asked', async () => {
  const names = [
    ...UP,
    { type: 'url', value: 'spiffe://outside/up' },
    { type: 'dns', value: '*.wild.example' },
  ] as const;
  plane.apply(entry(await httpsServer(await trusted.issue(names))));
  for (const tls of ['sni: other.example', 'subjectAltNames: [other.example]', 'subjectAltNames: [up.exampl]']) {
    plane.apply(rule(`{ mode: SIMPLE, ${tls} }`));
    await refused(/CERTIFICATE_VERIFY_FAILED: .*DNS:up\.example.* answers, in place of/);
  }
  for (const tls of [
    'sni: other.example, subjectAltNames: [other.example, up.example]',
    'subjectAltNames: ["spiffe://outside/up"]',
    'sni: a.wild.example',
  ]) {
    plane.apply(rule(`{ mode: SIMPLE, ${tls} }`));
    assert.match(await ask(), /^HTTP\/1\.1 200 /, tls);
  }
  assert.equal(asked?.name, 'a.wild.example');
});

test('a name in the subject alone is none', async () => {
  plane.apply(entry(await httpsServer(await trusted.issue([]))), rule('{ mode: SIMPLE, sni: subject.example }'));
  await refused(/CERTIFICATE_VERIFY_FAILED: nobody that has a name answers/);
});

test('an expired, a not yet valid and a foreign certificate are refused, and insecureSkipVerify believes them', async () => {
  const rows = [
    [await trusted.issue(UP, { from: -2000, to: -1000 }), /CERTIFICATE_VERIFY_FAILED: certificate has expired/],
    [
      await trusted.issue(UP, { from: 3_600_000, to: 7_200_000 }),
      /CERTIFICATE_VERIFY_FAILED: certificate is not yet valid/,
    ],
    [await foreign.issue(UP), /CERTIFICATE_VERIFY_FAILED: unable to verify the first certificate/],
  ] as const;
  for (const [shown, reason] of rows) {
    plane.apply(entry(await httpsServer(shown)), rule('{ mode: SIMPLE }'));
    await refused(reason);
    plane.apply(rule('{ mode: SIMPLE, insecureSkipVerify: true, sni: any.example }'));
    assert.match(await ask(), /^HTTP\/1\.1 200 /);
    assert.equal(asked?.name, 'any.example');
    asked = null;
  }
});

test('caCertificates stand in for the roots of the system', async () => {
  const port = await httpsServer(await foreign.issue(UP));
  const own = await folder.write('foreign.pem', foreign.root);
  plane.apply(entry(port), rule(`{ mode: SIMPLE, caCertificates: ${own} }`));
  assert.match(await ask(), /^HTTP\/1\.1 200 /);
  asked = null;
  plane.apply(rule(`{ mode: SIMPLE, caCertificates: ${roots} }`));
  await refused(/CERTIFICATE_VERIFY_FAILED/);
});

test('MUTUAL shows the certificate of its files, and SIMPLE is not let in there', async () => {
  const port = await httpsServer(await trusted.issue(UP), { requestCert: true, ca: trusted.root });
  const cert = await folder.write('client.pem', client.cert);
  const key = await folder.write('client.key', client.key);
  plane.apply(
    entry(port),
    rule(`{ mode: MUTUAL, clientCertificate: ${cert}, privateKey: ${key}, caCertificates: ${roots} }`),
  );
  assert.match(await ask(), /^HTTP\/1\.1 200 /);
  assert.equal(asked?.subject, 'subject.example');
  asked = null;
  plane.apply(rule('{ mode: SIMPLE }'));
  // In TLS 1.3 the server says so after the client's handshake is over.
  assert.match(await ask(), /^HTTP\/1\.1 503 /);
  assert.equal(asked, null);
});

test('what cannot be read or does not go together is told in one line, and nothing is sent', async () => {
  const port = await httpsServer(await trusted.issue(UP));
  const cert = await folder.write('other.pem', (await trusted.issue(UP)).cert);
  const key = await folder.write('other.key', client.key);
  const empty = await folder.write('empty.pem', 'nothing\n');
  const cut = await folder.write('cut.pem', trusted.root.replace(/^M.*$/m, 'AAAA'));
  const mutual = (fields: string): string => `{ mode: MUTUAL, ${fields} }`;
  const rows: readonly (readonly [string, RegExp])[] = [
    ['{ mode: SIMPLE, caCertificates: /nowhere/a.pem }', /\/nowhere\/a\.pem cannot be read: ENOENT/],
    ['{ mode: SIMPLE, caCertificates: /dev/null }', /\/dev\/null cannot be read: it is no file/],
    [`{ mode: SIMPLE, caCertificates: ${empty} }`, /empty\.pem holds no certificate/],
    [`{ mode: SIMPLE, caCertificates: ${cut} }`, /certificate 1 of \S+cut\.pem is none/],
    [mutual(`clientCertificate: ${cert}, privateKey: ${key}`), /other\.key do not go together: /],
    [mutual(`clientCertificate: ${cert}, privateKey: /nowhere/k`), /\/nowhere\/k cannot be read: ENOENT/],
    [`{ mode: SIMPLE, caCrl: ${empty} }`, /empty\.pem do not go together: /],
  ];
  for (const [tls, reason] of rows) {
    plane.apply(entry(port), rule(tls));
    const said = plane.logs.length;
    await refused(reason);
    assert.equal(plane.logs.slice(said).filter((line) => reason.test(line)).length, 1, tls);
  }
});

test('TLS to a port of plain text, and plain text to one of TLS', async () => {
  const plain = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  plane.apply(entry(await listening(plain)), rule('{ mode: SIMPLE }'));
  await refused(/TLS_error: WRONG_VERSION_NUMBER|TLS_error: PACKET_LENGTH_TOO_LONG/);
  plane.apply(entry(await httpsServer(await trusted.issue(UP))), rule('{ mode: DISABLE }'));
  assert.doesNotMatch(await ask(), /over https/);
  assert.equal(asked, null);
});

test('a server that stalls in the handshake is given up after connectTimeout', async () => {
  const stalling = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.resume();
  });
  plane.apply(
    entry(await listening(stalling)),
    rule('{ mode: SIMPLE }', ', connectionPool: { tcp: { connectTimeout: 50ms } }'),
  );
  assert.match(await ask(), /^HTTP\/1\.1 503 [\s\S]*reset reason: connection timeout/);
  assert.match(flagNames(plane.records.at(-1)!.flags) ?? '', /^UF/);
});

test('ALPN offers what the cluster speaks; what h2UpgradePolicy wishes for is offered beside HTTP/1.1', async () => {
  const shown = await trusted.issue(UP);
  const one = await httpsServer(shown);
  const two = createSecureServer({ ...shown, allowHTTP1: true }, (request, response) => {
    const { alpnProtocol, servername } = request.socket as TLSSocket;
    asked = { name: String(servername), protocol: String(alpnProtocol), subject: '', resumed: false, headers: {} };
    response.end('over https');
  });
  const port = await listening(two as unknown as Server);
  const upgrade = ', connectionPool: { http: { h2UpgradePolicy: UPGRADE } }';
  for (const [to, rest, spoken] of [
    [port, '', 'http/1.1'],
    [port, upgrade, 'h2'],
    [one, upgrade, 'http/1.1'],
  ] as const) {
    plane.apply(entry(to), rule('{ mode: SIMPLE }', rest));
    assert.match(await ask(), /^HTTP\/1\.1 200 [\s\S]*over https/);
    assert.equal(asked!.protocol, spoken);
  }
  // A port that is HTTP/2 by its own word is not spoken to in anything else.
  plane.apply(entry(one).replace('protocol: HTTP,', 'protocol: HTTP2,'), rule('{ mode: SIMPLE }'));
  asked = null;
  await refused(/NO_APPLICATION_PROTOCOL/);
});

test('a session is resumed by the next connection, and not under other certificates', async () => {
  const port = await httpsServer(await trusted.issue(UP));
  const once = ', connectionPool: { http: { maxRequestsPerConnection: 1 } }';
  const seen: boolean[] = [];
  for (const file of ['a.pem', 'a.pem', 'b.pem']) {
    const path = await folder.write(file, trusted.root);
    plane.apply(entry(port), rule(`{ mode: SIMPLE, caCertificates: ${path} }`, once));
    await ask();
    seen.push(asked!.resumed);
  }
  assert.deepEqual(seen, [false, true, false]);
});

test('a host that the registry knows by a wildcard is spoken to as the rule says, by its own name', async (t) => {
  // The system's DNS, which knows no name of a test.
  const { lookup } = dns;
  t.after(() => {
    dns.lookup = lookup;
    syncBuiltinESMExports();
  });
  dns.lookup = (async () => [{ address: '127.0.0.1', family: 4 }]) as unknown as typeof lookup;
  syncBuiltinESMExports();
  const local = [{ type: 'dns', value: '*.outside.example' }] as const;
  const port = await httpsServer(await trusted.issue(local));
  const ofWildcard = entry(port)
    .replace('up.example', '"*.outside.example"')
    .replace('resolution: STATIC', 'resolution: NONE')
    .replace(/ {2}endpoints.*/, '');
  plane.unconfigure();
  const call = () =>
    exchangeBytes(plane.ports.outbound, 'GET / HTTP/1.1\r\nHost: a.outside.example\r\nConnection: close\r\n\r\n');
  plane.apply(ofWildcard);
  assert.doesNotMatch(await call(), /over https/);
  plane.apply(rule('{ mode: SIMPLE }').replace('host: up.example', 'host: "*.outside.example"'));
  assert.match(await call(), /^HTTP\/1\.1 200 [\s\S]*over https/);
  assert.equal(asked?.name, 'a.outside.example');
  plane.unconfigure();
});

test('files that are replaced count for the next connection; a bad one leaves the old in place, and is told of', async () => {
  const shown = await trusted.issue(UP);
  const port = await httpsServer(shown);
  const file = await folder.write('live.pem', foreign.root);
  plane.apply(
    entry(port),
    rule(`{ mode: SIMPLE, caCertificates: ${file} }`, ', connectionPool: { http: { maxRequestsPerConnection: 1 } }'),
  );
  await refused(/CERTIFICATE_VERIFY_FAILED/);
  await folder.write('live.pem', trusted.root);
  const deadline = Date.now() + 20_000;
  while (!/ 200 /.test(await ask())) {
    assert.ok(Date.now() < deadline, 'the new roots are read');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await folder.write('live.pem', 'half a fi');
  while (!plane.logs.some((line) => /live\.pem holds no certificate: what was read before is used on/.test(line))) {
    assert.ok(Date.now() < deadline, 'the bad file is told of');
    assert.match(await ask(), / 200 /);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.match(await ask(), / 200 /);
});
