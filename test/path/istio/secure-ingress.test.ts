// Istio's task secure-ingress: a gateway serves one host, then several, in TLS, and asks clients for certificates.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { type Pair, type WebAuthority, webAuthority } from '../../web-certificates.ts';
import { type RunningDataPlane, startApp, startDataPlane } from '../data-plane.ts';
import { NO_CREDENTIAL, overTls, type Told } from '../gateway-clients.ts';

const HTTPBIN = 'httpbin.example.com';
const HELLOWORLD = 'helloworld.example.com';
const closers: (() => unknown)[] = [];
let authority: WebAuthority;
let renewed: WebAuthority;
let gateway: RunningDataPlane;

before(async () => {
  authority = await webAuthority('example Inc.');
  renewed = await webAuthority('another Inc.');
  const httpbin = await startApp(({ url }, response) => {
    response.statusCode = Number(/^\/status\/(\d+)$/.exec(url ?? '')?.[1] ?? 404);
    response.end(response.statusCode === 418 ? "I'm a teapot!" : '');
  });
  const helloworld = await startApp((_, response) => response.end('Hello version: v1'));
  gateway = await startDataPlane({
    role: 'gateway',
    gatewayPort: 443,
    yaml: [service('httpbin', 8000), service('helloworld', 5000)],
    endpoints: [endpoint('httpbin', httpbin.port), endpoint('helloworld', helloworld.port)],
  });
  closers.push(httpbin.close, helloworld.close, gateway.close);
});
after(async () => {
  for (const close of closers) await close();
});
beforeEach(async () => {
  secret('httpbin-credential', await authority.issue([HTTPBIN]));
  gateway.apply(server(HTTPBIN, 'mode: SIMPLE'), route(HTTPBIN, '/status', 'httpbin', 8000));
});

function service(name: string, port: number): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: ${port}, targetPort: 8080}]}
`;
}

function endpoint(name: string, port: number) {
  return {
    ...{ id: name, name: `${name}-1`, workload: name, namespace: 'default', serviceAccount: 'default' },
    ...{ trustDomain: 'cluster.local', labels: { app: name }, weight: 1, locality: '', appPort: 8080 },
    ...{ services: [name], address: '127.0.0.1', port },
  };
}

/** One server for each: its hosts and what its `tls` says beside credentialName, which is of the host. */
function server(...pairs: readonly string[]): string {
  const servers = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const [host, tls] = [pairs[i], pairs[i + 1]];
    const name = host.split('.')[0];
    servers.push(`
  - port: {number: 443, name: https-${name}, protocol: HTTPS}
    tls: {${tls}, credentialName: ${name}-credential}
    hosts: [${host}]`);
  }
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: mygateway}
spec:
  selector: {istio: ingressgateway}
  servers:${servers.join('')}
`;
}

function route(host: string, path: string, to: string, port: number): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${to}}
spec:
  hosts: [${host}]
  gateways: [mygateway]
  http:
  - match: [{uri: {prefix: ${path}}}, {uri: {prefix: /delay}}]
    route: [{destination: {host: ${to}, port: {number: ${port}}}}]
`;
}

function secret(name: string, pair: Pair | null, ca = ''): void {
  gateway.plane.setCredential(`kubernetes://${name}`, pair === null ? null : { ...NO_CREDENTIAL, ...pair, ca });
}

/** As the task's curl, which believes one root and resolves the name to the gateway. */
function curl(
  host: string,
  path: string,
  { ca = authority.ca, ...pair }: Partial<Pair> & { ca?: string } = {},
): Promise<Told> {
  return overTls({
    port: gateway.ports.gateway,
    servername: host,
    ...{ ca, ...pair },
    send: `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
  });
}

test('a gateway for a single host answers in TLS, and what no route has is not found', async () => {
  const told = await curl(HTTPBIN, '/status/418');
  assert.equal(told.status, 418, told.text);
  assert.match(told.text, /I'm a teapot!$/);
  assert.equal((await curl(HTTPBIN, '/ip')).status, 404);
});

test('another secret under the name is shown to who comes next: its root is believed, and the old one no longer', async () => {
  secret('httpbin-credential', null);
  assert.match((await curl(HTTPBIN, '/status/418')).text, /^(error|closed)/);
  secret('httpbin-credential', await renewed.issue([HTTPBIN]));
  assert.equal((await curl(HTTPBIN, '/status/418', { ca: renewed.ca })).status, 418);
  assert.match((await curl(HTTPBIN, '/status/418')).text, /^error (UNABLE_TO|SELF_SIGNED)/);
});

test('several hosts on one port have a certificate each', async () => {
  secret('helloworld-credential', await authority.issue([HELLOWORLD]));
  gateway.apply(
    server(HTTPBIN, 'mode: SIMPLE', HELLOWORLD, 'mode: SIMPLE'),
    route(HELLOWORLD, '/hello', 'helloworld', 5000),
  );
  const hello = await curl(HELLOWORLD, '/hello');
  assert.deepEqual([hello.status, hello.subject], [200, `CN=${HELLOWORLD}`]);
  assert.match(hello.text, /Hello version: v1/);
  const teapot = await curl(HTTPBIN, '/status/418');
  assert.deepEqual([teapot.status, teapot.subject], [418, `CN=${HTTPBIN}`]);
});

test('a mutual gateway asks for a certificate of who is believed, in the secret itself or in the one beside', async () => {
  gateway.apply(server(HTTPBIN, 'mode: MUTUAL'));
  const client = await authority.issue(['client.example.com']);
  assert.match((await curl(HTTPBIN, '/status/418', client)).text, /^(error|closed)/, 'nobody is believed yet');
  secret('httpbin-credential-cacert', { cert: '', key: '' }, authority.ca);
  assert.match((await curl(HTTPBIN, '/status/418')).text, /^(error|closed)/);
  assert.equal((await curl(HTTPBIN, '/status/418', client)).status, 418);
  assert.match(
    (await curl(HTTPBIN, '/status/418', await renewed.issue(['client.example.com']))).text,
    /^(error|closed)/,
  );
});
