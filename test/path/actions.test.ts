import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { guest } from '../core/wasm/guests.ts';
import { exchangeBytes, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { edgeTo } from './edge.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

const ROUTES = `${edgeTo('app.example')}---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: everything }
spec: { rules: [{}] }`;

/** Callbacks of this name return this action, in WebAssembly text; those of the body are told how many bytes there are. */
function acting(callback: string, action: string): Uint8Array<ArrayBuffer> {
  const body = `(func (export "${callback}") (param i32 i32 i32) (result i32) ${action})`;
  return guest({ body }) as Uint8Array<ArrayBuffer>;
}

const FRAMES = {
  'a length': 'Content-Length: 5\r\n\r\nhello',
  'chunks and trailers': 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n',
};

async function answer(module: Uint8Array<ArrayBuffer>, frame: string): Promise<string> {
  const app = await startApp(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.end(`app got "${body}" of ${request.headers['content-length'] ?? 'unknown length'}`);
  });
  const gateway = await startDataPlane({
    role: 'gateway',
    modules: { rbac: module },
    yaml: [serviceEntry('app.example', app.port), ROUTES],
  });
  closers.push(app.close, gateway.close);
  return exchangeBytes(gateway.ports.gateway, `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${frame}`);
}

for (const [what, frame] of Object.entries(FRAMES)) {
  test(`a filter that continues and ends a request ends it with its head: ${what}`, async () => {
    const module = acting('proxy_on_request_headers', '(i32.const 2)');
    assert.match(await answer(module, frame), /^HTTP\/1.1 200 OK.*app got "" of (0|unknown length)$/s);
  });
}

test('a filter that continues and ends a response sends its head alone', async () => {
  const module = acting('proxy_on_response_headers', '(i32.const 2)');
  const got = await answer(module, FRAMES['a length']);
  assert.match(got, /^HTTP\/1.1 200 OK\r\n/);
  assert.match(got, /content-length: 0\r\n/i);
  assert.match(got, /\r\n\r\n$/);
});

test('a filter that continues and ends a request without a body changes nothing', async () => {
  const module = acting('proxy_on_request_headers', '(i32.const 2)');
  assert.match(await answer(module, 'Content-Length: 0\r\n\r\n'), /^HTTP\/1.1 200 OK.*app got "" of 0$/s);
});

test('bytes that a filter stops without buffering are dropped', async () => {
  // Everything but what comes with the end.
  const module = acting('proxy_on_request_body', '(select (i32.const 0) (i32.const 3) (local.get 2))');
  const big = 'x'.repeat(3_000_000);
  const frame = `Content-Length: ${big.length}\r\n\r\n${big}`;
  const [, seen] = /app got "(x*)" of/.exec(await answer(module, frame)) ?? [];
  assert.ok(seen !== undefined && seen.length < 1_000_000, `${seen?.length} bytes`);
});
