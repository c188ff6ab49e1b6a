// TLS to services outside of the mesh with what secrets hold, as DestinationRules name them by credentialName: Istio's task
// egress-gateway-tls-origination-sds, at a gateway and at a sidecar.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { type PublicAuthority, publicAuthority } from '../control/authority/public-authority.ts';
import { exchangeBytes, type RunningDataPlane, startDataPlane } from './data-plane.ts';
import { NO_CREDENTIAL } from './gateway-clients.ts';

let sidecar: RunningDataPlane;
let edge: RunningDataPlane;
let trusted: PublicAuthority;
let foreign: PublicAuthority;
let port: number;
/** Of the certificate that the server saw; null: it was not asked. */
let shown: string | null = null;
const servers: Server[] = [];
const UP = [{ type: 'dns', value: 'up.example' }] as const;
const CLIENT = 'kubernetes://outside';
const ROOTS = 'kubernetes://outside-cacert';

before(async () => {
  [trusted, foreign] = await Promise.all([publicAuthority(), publicAuthority()]);
  sidecar = await startDataPlane({ labels: { app: 'caller' } });
  edge = await startDataPlane({ role: 'gateway' });
  const server = createServer(
    { ...(await trusted.issue(UP)), requestCert: true, rejectUnauthorized: false },
    ({ socket }, response) => {
      shown = (socket as TLSSocket).getPeerCertificate()?.subjectaltname ?? '';
      response.end('over https');
    },
  );
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

after(() => {
  sidecar.close();
  edge.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

beforeEach(() => {
  shown = null;
  for (const { plane } of [sidecar, edge]) for (const name of [CLIENT, ROOTS]) plane.setCredential(name, null);
});

const SELECTED = 'workloadSelector: { matchLabels: { app: caller } },';
const rule = (tls: string, selector = ''): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: up }
spec:
  { host: up.example, ${selector} trafficPolicy: { tls: ${tls}, connectionPool: { http: { maxRequestsPerConnection: 1 } } } }
`;
const MUTUAL = '{ mode: MUTUAL, credentialName: outside }';
const SIMPLE = '{ mode: SIMPLE, credentialName: outside }';

function configure(at: RunningDataPlane, written: string): void {
  at.unconfigure();
  at.apply(
    `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: up }
spec:
  hosts: [up.example]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: egress }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: [up.example] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: up }
spec: { hosts: [up.example], gateways: [egress, mesh], http: [{ route: [{ destination: { host: up.example } }] }] }
`,
    written,
  );
}

async function ask(at: RunningDataPlane): Promise<string> {
  shown = null;
  const { outbound, gateway } = at.ports;
  return exchangeBytes(
    at === edge ? gateway : outbound,
    'GET / HTTP/1.1\r\nHost: up.example\r\nConnection: close\r\n\r\n',
  );
}

async function refused(at: RunningDataPlane, reason: RegExp): Promise<void> {
  const got = await ask(at);
  assert.match(got, /^HTTP\/1\.1 503 [\s\S]*TLS_error: /);
  assert.match(got, reason);
  assert.equal(shown, null);
}

async function answered(at: RunningDataPlane, certificate: string): Promise<void> {
  assert.match(await ask(at), /^HTTP\/1\.1 200 [\s\S]*over https/);
  assert.equal(shown, certificate);
}

const roots = (ca: string) => ({ ...NO_CREDENTIAL, ca });
async function client(name: string): Promise<typeof NO_CREDENTIAL> {
  return { ...NO_CREDENTIAL, ...(await trusted.issue([{ type: 'dns', value: name }])) };
}

test('a gateway, and a sidecar that the rule selects, show and believe what the secret holds, and the newest of it', async () => {
  for (const [at, written] of [
    [edge, rule(MUTUAL)],
    [sidecar, rule(MUTUAL, SELECTED)],
  ] as const) {
    configure(at, written);
    await refused(at, /the secret kubernetes:\/\/outside, the certificate to show, is not there/);
    at.plane.setCredential(CLIENT, await client('one.test'));
    await refused(at, /the secret kubernetes:\/\/outside-cacert, whose certificates are believed, is not there/);
    at.plane.setCredential(ROOTS, roots(trusted.root));
    await answered(at, 'DNS:one.test');
    at.plane.setCredential(CLIENT, await client('two.test'));
    await answered(at, 'DNS:two.test');
    at.plane.setCredential(ROOTS, roots(foreign.root));
    await refused(at, /CERTIFICATE_VERIFY_FAILED/);
    at.plane.setCredential(ROOTS, roots(trusted.root));
    await answered(at, 'DNS:two.test');
    at.plane.setCredential(CLIENT, null);
    await refused(at, /the secret kubernetes:\/\/outside, the certificate to show, is not there/);
  }
});

test('SIMPLE believes whom the secret says and shows nothing', async () => {
  configure(edge, rule(SIMPLE));
  edge.plane.setCredential(CLIENT, await client('one.test'));
  await refused(edge, /outside-cacert, whose certificates are believed, is not there/);
  edge.plane.setCredential(ROOTS, roots(trusted.root));
  await answered(edge, '');
});

test('MUTUAL with insecureSkipVerify needs the certificate alone', async () => {
  configure(edge, rule('{ mode: MUTUAL, credentialName: outside, insecureSkipVerify: true }'));
  await refused(edge, /the certificate to show, is not there/);
  edge.plane.setCredential(CLIENT, await client('one.test'));
  await answered(edge, 'DNS:one.test');
});

test('a sidecar that no workloadSelector of the rule names sends nothing by it, whatever it has', async () => {
  sidecar.plane.setCredential(CLIENT, await client('one.test'));
  sidecar.plane.setCredential(ROOTS, roots(trusted.root));
  for (const tls of [SIMPLE, MUTUAL]) {
    configure(sidecar, rule(tls));
    await refused(
      sidecar,
      /credentialName "outside" is for gateways, and for sidecars that the rule's workloadSelector/,
    );
  }
});

test('there are no ConfigMaps to name', async () => {
  configure(edge, rule('{ mode: SIMPLE, credentialName: "configmap://outside" }'));
  edge.plane.setCredential(ROOTS, roots(trusted.root));
  await refused(edge, /credentialName "configmap:\/\/outside" cannot be had: there are no ConfigMaps here/);
});
