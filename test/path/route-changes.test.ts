// What routes and their destinations change of requests and answers: in which order, and what of an authority.
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { after, before, test } from 'node:test';
import { call, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

let mesh: RunningDataPlane;
const closers: (() => unknown)[] = [];

before(async () => {
  const app = await startApp((incoming, response) => {
    response.setHeader('x-from', 'app');
    response.end(JSON.stringify({ url: incoming.url, headers: incoming.headers }));
  });
  closers.push(app.close);
  mesh = await startDataPlane({ yaml: [serviceEntry('shop.example', app.port)] });
  closers.push(mesh.close);
});

after(async () => {
  for (const close of closers) await close();
});

/** One destination, or two of which the second gets nothing. */
async function sent(route: string, destination: string, several = false, more = ''): Promise<IncomingHttpHeaders> {
  const to = '{destination: {host: shop.example}';
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example]
  http:
  - headers: {request: {${route}}}
    ${more}
    route: [${to}, headers: {request: {${destination}}}, weight: 1}${several ? `, ${to}, weight: 0}` : ''}]
`);
  const { body } = await call({ port: mesh.ports.outbound, headers: { host: 'shop.example', 'x-c': 'client' } });
  return (JSON.parse(body) as { headers: IncomingHttpHeaders }).headers;
}

test('a sole destination changes what the route set, and of several the route has the last word', async () => {
  const route = 'set: {x-a: route}, add: {x-b: route}';
  const destination = 'set: {x-a: destination, x-b: destination}';
  const sole = await sent(route, destination);
  // All that is set comes before all that is added.
  assert.deepEqual([sole['x-a'], sole['x-b']], ['destination', 'destination, route']);
  const several = await sent(route, destination, true);
  assert.deepEqual([several['x-a'], several['x-b']], ['route', 'destination, route']);
});

test('what a sole destination removes was removed before the route set anything', async () => {
  assert.equal((await sent('set: {x-c: route}', 'remove: [x-c]'))['x-c'], 'route');
  assert.equal((await sent('remove: [x-c]', 'add: {x-c: destination}'))['x-c'], 'destination');
  assert.equal((await sent('set: {x-c: route}', 'remove: [x-c]', true))['x-c'], 'route');
});

test('answers are changed in the same order', async () => {
  const of = async (weights: string): Promise<unknown> => {
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example]
  http:
  - headers: {response: {set: {x-from: route}}}
    route: [{destination: {host: shop.example}, headers: {response: {set: {x-from: destination}}}, weight: 1}${weights}]
`);
    const url = `http://127.0.0.1:${mesh.ports.outbound}/`;
    const { get } = await import('node:http');
    return new Promise((resolve, reject) => {
      get(url, { headers: { host: 'shop.example' }, agent: false }, (answer) =>
        resolve(answer.resume().headers['x-from']),
      ).on('error', reject);
    });
  };
  assert.equal(await of(''), 'destination');
  assert.equal(await of(', {destination: {host: shop.example}, weight: 0}'), 'route');
});

test('an authority is what the rewrite says, else the route, else the destination', async () => {
  const host = async (...given: Parameters<typeof sent>): Promise<unknown> => (await sent(...given)).host;
  assert.equal(await host("set: {':authority': a.example}", ''), 'a.example');
  assert.equal(await host('', 'set: {Host: b.example:8080}'), 'b.example:8080');
  assert.equal(await host("set: {':authority': a.example}", 'set: {host: b.example}'), 'a.example');
  assert.equal(await host('set: {host: a.example}', "set: {':authority': b.example}", true), 'a.example');
  assert.equal(await host('add: {host: a.example}', ''), 'a.example');
  assert.equal(await host('', 'set: {host: b.example}', false, 'rewrite: {authority: c.example}'), 'c.example');
});

test('a value that is no ASCII is sent as UTF-8', async () => {
  const value = (await sent('set: {x-a: "caf\u00e9 \u2713"}', ''))['x-a'] as string;
  assert.equal(Buffer.from(value, 'latin1').toString(), 'caf\u00e9 \u2713');
});

test('operators in values are filled in, from what the request was before anything is set', async () => {
  const headers = await sent(
    "set: {x-c: '%REQ(:PATH)% of %REQ(:AUTHORITY)%', x-p: '100%%', x-who: '%REQ(X-C?:METHOD)%', x-long: '%REQ(:METHOD):2%'}",
    "add: {x-p: '%PROTOCOL%', x-none: '%REQ(x-absent)%', x-way: '%UPSTREAM_CLUSTER%'}",
  );
  assert.equal(headers['x-c'], '/ of shop.example');
  assert.equal(headers['x-p'], '100%, HTTP/1.1');
  assert.equal(headers['x-who'], 'client');
  assert.equal(headers['x-long'], 'GE');
  assert.equal(headers['x-none'], undefined);
  assert.equal(headers['x-way'], 'outbound|80||shop.example');
});

test('an operator that finds nothing leaves a field as it is', async () => {
  assert.equal((await sent("set: {x-c: '%REQ(x-absent)%'}", ''))['x-c'], 'client');
});
