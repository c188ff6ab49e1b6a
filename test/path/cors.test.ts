import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

const closers: (() => unknown)[] = [];
let sidecar: RunningDataPlane;
let gateway: RunningDataPlane;
let seen: string[] = [];

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
  const services = [serviceEntry('app.example', app.port), serviceEntry('nobody.example')];
  sidecar = await startDataPlane({ yaml: [...services, routes('outbound', 'app.example', 'mesh')] });
  const edge = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}
`;
  gateway = await startDataPlane({ role: 'gateway', yaml: [...services, edge, routes('edge', '*', 'edge')] });
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
