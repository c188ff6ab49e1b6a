import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ISSUER, KEYS } from '../filters/tokens.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

const closers: (() => unknown)[] = [];
let sidecar: RunningDataPlane;
let gateway: RunningDataPlane;
let appPort = 0;
let seen: string[] = [];

const EDGE = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}
`;

function services(): string[] {
  return [serviceEntry('app.example', appPort), serviceEntry('nobody.example')];
}

after(async () => {
  for (const close of closers) await close();
});

function routes(name: string, hosts: string, gateways: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: ['${hosts}']
  gateways: [${gateways}]
  http:
  - match: [{uri: {prefix: /down}}]
    corsPolicy: {allowOrigins: [{exact: 'https://shop.example'}]}
    route: [{destination: {host: nobody.example}}]
  - match: [{uri: {prefix: /open}}]
    corsPolicy:
      allowOrigins: [{regex: 'https://[a-z]+\\.example'}]
      allowMethods: [GET, PUT]
      maxAge: 60s
      unmatchedPreflights: IGNORE
    headers: {request: {remove: [origin]}}
    route: [{destination: {host: app.example}}]
  - route: [{destination: {host: app.example}}]
`;
}

before(async () => {
  const app = await startApp((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.origin}`);
    response.end('ok');
  });
  closers.push(app.close);
  appPort = app.port;
  sidecar = await startDataPlane({ yaml: [...services(), routes('outbound', 'app.example', 'mesh')] });
  gateway = await startDataPlane({ role: 'gateway', yaml: [...services(), EDGE, routes('edge', '*', 'edge')] });
  closers.push(sidecar.close, gateway.close);
});

function send(port: number, line: string, ...fields: string[]): Promise<string> {
  return exchangeBytes(
    port,
    [`${line} HTTP/1.1`, 'Host: app.example', ...fields, 'Connection: close', '', ''].join('\r\n'),
  );
}

for (const where of ['a sidecar', 'a gateway'] as const) {
  const port = (): number => (where === 'a sidecar' ? sidecar.ports.outbound : gateway.ports.gateway);

  test(`${where} answers preflights, and the service does not see them`, async () => {
    seen = [];
    const asked = ['Access-Control-Request-Method: PUT'];
    const allowed = await send(port(), 'OPTIONS /open', 'Origin: https://shop.example', ...asked);
    assert.match(allowed, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(allowed, /\r\naccess-control-allow-origin: https:\/\/shop\.example\r\n/);
    assert.match(allowed, /\r\naccess-control-allow-methods: GET,PUT\r\n/);
    assert.match(allowed, /\r\naccess-control-max-age: 60\r\n/);
    assert.match(allowed, /\r\n\r\n$/);
    const refused = await send(port(), 'OPTIONS /open', 'Origin: https://evil.test', ...asked);
    assert.match(refused, /^HTTP\/1\.1 200 OK\r\n/);
    assert.doesNotMatch(refused, /access-control/);
    assert.deepEqual(seen, []);
    await send(port(), 'OPTIONS /', 'Origin: https://shop.example', ...asked);
    assert.deepEqual(seen, ['OPTIONS / https://shop.example']);
  });

  test(`${where} allows responses to be read, also when the service never saw the origin`, async () => {
    seen = [];
    const answer = await send(port(), 'GET /open', 'Origin: https://shop.example');
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
    assert.match(answer, /\r\naccess-control-allow-origin: https:\/\/shop\.example\r\nvary: origin\r\n/);
    assert.deepEqual(seen, ['GET /open undefined']);
    assert.doesNotMatch(await send(port(), 'GET /open', 'Origin: https://evil.test'), /access-control/);
    assert.doesNotMatch(await send(port(), 'GET /', 'Origin: https://shop.example'), /access-control/);
  });

  test(`${where} lets a page read its own failures too`, async () => {
    const failed = await send(port(), 'GET /down', 'Origin: https://shop.example');
    assert.match(failed, /^HTTP\/1\.1 503 [\s\S]*\r\naccess-control-allow-origin: https:\/\/shop\.example\r\n/);
  });
}

test("a page may read the gateway's own answers, and its preflights need no token", async () => {
  const rejecting = await startDataPlane({ role: 'gateway', yaml: [...services(), EDGE, routes('edge', '*', 'edge')] });
  closers.push(rejecting.close);
  const policy = (apiVersion: string, kind: string, spec: object): string =>
    JSON.stringify({ apiVersion, kind, metadata: { name: kind.toLowerCase() }, spec });
  rejecting.apply(
    policy('security.istio.io/v1', 'RequestAuthentication', { jwtRules: [{ issuer: ISSUER, jwks: KEYS }] }),
    policy('security.istio.io/v1', 'AuthorizationPolicy', {
      action: 'DENY',
      rules: [{ from: [{ source: { notRequestPrincipals: ['*'] } }] }],
    }),
  );
  const port = rejecting.ports.gateway;
  const from = 'Origin: https://shop.example';
  const readable = /\r\naccess-control-allow-origin: https:\/\/shop\.example\r\n/;
  const unauthorized = await send(port, 'GET /open', from, 'Authorization: Bearer nonsense');
  assert.match(unauthorized, /^HTTP\/1\.1 401 /);
  assert.match(unauthorized, readable);
  const forbidden = await send(port, 'GET /open', from);
  assert.match(forbidden, /^HTTP\/1\.1 403 /);
  assert.match(forbidden, readable);
  const strange = await send(port, 'GET /open', 'Origin: https://evil.test');
  assert.match(strange, /^HTTP\/1\.1 403 /);
  assert.doesNotMatch(strange, /access-control/);
  const preflight = await send(port, 'OPTIONS /open', from, 'Access-Control-Request-Method: PUT');
  assert.match(preflight, /^HTTP\/1\.1 200 /);
  assert.match(preflight, readable);
  const plain = await send(port, 'OPTIONS /open', from);
  assert.match(plain, /^HTTP\/1\.1 403 /);
});
