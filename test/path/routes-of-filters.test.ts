import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { env, guest } from '../core/wasm/guests.ts';
import { exchangeBytes, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

/** Puts a value in the place of a request's header. */
function replacing(name: string, value: string): Uint8Array<ArrayBuffer> {
  return guest({
    imports: env('proxy_replace_header_map_value', 'i32 i32 i32 i32 i32'),
    body: `(data (i32.const 0) "${name}") (data (i32.const 128) "${value}")
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $proxy_replace_header_map_value (i32.const 0)
          (i32.const 0) (i32.const ${name.length}) (i32.const 128) (i32.const ${value.length})))
        (i32.const 0))`,
  }) as Uint8Array<ArrayBuffer>;
}

const ROUTES = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec: { selector: { istio: ingressgateway }, servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ['*'] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app }
spec:
  hosts: [first.example]
  gateways: [edge]
  http:
    - { match: [{ headers: { newheader: { exact: blue } } }], route: [{ destination: { host: blue.example } }] }
    - { match: [{ uri: { prefix: /new } }], route: [{ destination: { host: blue.example } }] }
    - { match: [{ uri: { prefix: /old } }], route: [{ destination: { host: green.example } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: second }
spec: { hosts: [second.example], gateways: [edge], http: [{ route: [{ destination: { host: blue.example } }] }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: everything }
spec: { rules: [{}] }`;

async function answer(name: string, value: string): Promise<string> {
  const blue = await startApp((_request, response) => response.end('blue'));
  const green = await startApp((_request, response) => response.end('green'));
  const gateway = await startDataPlane({
    role: 'gateway',
    modules: { rbac: replacing(name, value) },
    yaml: [serviceEntry('blue.example', blue.port), serviceEntry('green.example', green.port), ROUTES],
  });
  closers.push(blue.close, green.close, gateway.close);
  return exchangeBytes(gateway.ports.gateway, 'GET /old HTTP/1.1\r\nHost: first.example\r\nConnection: close\r\n\r\n');
}

test('a filter that changes nothing that routes match on changes no route', async () => {
  assert.match(await answer('x-other', 'blue'), /^HTTP\/1.1 200 OK.*green$/s);
});

test('a header that a filter adds chooses the route', async () => {
  assert.match(await answer('newheader', 'blue'), /^HTTP\/1.1 200 OK.*blue$/s);
});

test('a path that a filter writes chooses the route', async () => {
  assert.match(await answer(':path', '/new'), /^HTTP\/1.1 200 OK.*blue$/s);
});

test('an authority that a filter writes chooses the virtual host', async () => {
  assert.match(await answer(':authority', 'second.example'), /^HTTP\/1.1 200 OK.*blue$/s);
});

test('a request that no route takes any more is 404', async () => {
  assert.match(await answer(':path', '/nowhere'), /^HTTP\/1.1 404 /);
});
