import assert from 'node:assert/strict';
import { get, type IncomingHttpHeaders } from 'node:http';
import { after, before, test } from 'node:test';
import { freePort } from '../../bench/ports.ts';
import { type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

interface Seen {
  readonly version: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

const SUBSETS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
`;

const rule = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
${http.replace(/^/gm, '  ')}
`;

let mesh: RunningDataPlane;
const closers: (() => unknown)[] = [];

before(async () => {
  const endpoints = [];
  for (const version of ['v1', 'v2']) {
    const app = await startApp((request, response) => {
      response.setHeader('x-version', version);
      response.setHeader('x-secret', 's');
      response.end(JSON.stringify({ version, url: request.url, headers: request.headers }));
    });
    closers.push(app.close);
    endpoints.push({
      id: version,
      name: `reviews-${version}-1`,
      workload: `reviews-${version}`,
      namespace: 'default',
      serviceAccount: 'bookinfo-reviews',
      trustDomain: 'cluster.local',
      labels: { app: 'reviews', version },
      services: ['reviews'],
      address: '127.0.0.1',
      port: app.port,
      appPort: 9080,
      weight: 1,
      locality: '',
    });
  }
  mesh = await startDataPlane({ yaml: [SUBSETS], endpoints });
  closers.push(mesh.close);
});

after(async () => {
  for (const close of closers) await close();
});

function ask(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    get(
      {
        host: '127.0.0.1',
        port: mesh.ports.outbound,
        path,
        headers: { host: 'reviews:9080', ...headers },
        agent: false,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      },
    ).on('error', reject);
  });
}

async function seen(path: string, headers: Record<string, string> = {}): Promise<Seen> {
  const { status, body } = await ask(path, headers);
  assert.equal(status, 200, body);
  return JSON.parse(body) as Seen;
}

async function versions(count: number, headers: Record<string, string> = {}): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { version } = await seen('/', headers);
    counts[version] = (counts[version] ?? 0) + 1;
  }
  return counts;
}

test('without a rule every version answers', async () => {
  const counts = await versions(40);
  assert.deepEqual(Object.keys(counts).sort(), ['v1', 'v2']);
});

test('a rule sends everybody to one subset and one user to another', async () => {
  mesh.apply(
    rule(`
- match: [{headers: {end-user: {exact: jason}}}]
  route: [{destination: {host: reviews, subset: v2}}]
- route: [{destination: {host: reviews, subset: v1}}]`),
  );
  assert.deepEqual(await versions(10), { v1: 10 });
  assert.deepEqual(await versions(10, { 'end-user': 'jason' }), { v2: 10 });
});

test('weights split the traffic', async () => {
  mesh.apply(
    rule(`
- route:
  - {destination: {host: reviews, subset: v1}, weight: 80}
  - {destination: {host: reviews, subset: v2}, weight: 20}`),
  );
  const { v1, v2 } = await versions(400);
  assert.ok(v1 > 270 && v2 > 40, `${v1}:${v2}`);
});

test('a prefix is rewritten, and the upstream hears of the original path', async () => {
  mesh.apply(
    rule(`
- match: [{uri: {prefix: /old/}}]
  rewrite: {uri: /new/, authority: elsewhere}
  route: [{destination: {host: reviews, subset: v1}}]
- match: [{uri: {prefix: /re/}}]
  rewrite: {uriRegexRewrite: {match: '/re/(\\d+)/(.*)', rewrite: '/\\2/\\1'}}
  route: [{destination: {host: reviews, subset: v1}}]`),
  );
  const prefix = await seen('/old/x?y=1');
  assert.equal(prefix.url, '/new/x?y=1');
  assert.equal(prefix.headers.host, 'elsewhere');
  assert.equal(prefix.headers['x-envoy-original-path'], '/old/x?y=1');
  assert.equal((await seen('/re/12/book')).url, '/book/12');
  assert.equal((await ask('/neither')).status, 404);
});

test('headers are set, added and removed on the way in and on the way back', async () => {
  mesh.apply(
    rule(`
- headers:
    request: {set: {x-a: one}, add: {x-b: two}, remove: [x-c]}
    response: {set: {x-d: three}, remove: [x-secret]}
  route: [{destination: {host: reviews, subset: v1}, headers: {request: {set: {x-e: four}}}}]`),
  );
  const { headers, body } = await ask('/', { 'x-a': 'zero', 'x-c': 'gone' });
  const upstream = (JSON.parse(body) as Seen).headers;
  assert.deepEqual(
    [upstream['x-a'], upstream['x-b'], upstream['x-c'], upstream['x-e']],
    ['one', 'two', undefined, 'four'],
  );
  assert.deepEqual([headers['x-d'], headers['x-secret']], ['three', undefined]);
});

test('a redirect and a direct response are answered here', async () => {
  mesh.apply(
    rule(`
- match: [{uri: {prefix: /r}}]
  redirect: {uri: /target, authority: other.example, redirectCode: 302}
- match: [{uri: {prefix: /d}}]
  directResponse: {status: 418, body: {string: teapot}}`),
  );
  const redirect = await ask('/r/x');
  assert.equal(redirect.status, 302);
  assert.equal(redirect.headers.location, 'http://other.example/target');
  const direct = await ask('/d');
  assert.deepEqual([direct.status, direct.body], [418, 'teapot']);
});

test('every request carries an id, the scheme and, from a caller that has an identity, nothing it could forge', async () => {
  mesh.apply(rule('- route: [{destination: {host: reviews, subset: v1}}]'));
  const { headers } = await seen('/', { 'x-envoy-peer-metadata': 'forged', 'x-envoy-peer-metadata-id': 'forged' });
  assert.match(headers['x-request-id'] as string, /^[0-9a-f-]{36}$/);
  assert.equal(headers['x-forwarded-proto'], 'http');
  assert.equal(headers['x-envoy-peer-metadata'], undefined);
  assert.match(headers['x-envoy-peer-metadata-id'] as string, /^sidecar~/);
  assert.equal((await seen('/', { 'x-request-id': 'mine-1' })).headers['x-request-id'], 'mine-1');
});

test('a route to what does not exist is 503 NC, and every other route of the rule takes effect, whatever ran before', async () => {
  const next = rule(`
- {match: [{uri: {exact: /admin}}], directResponse: {status: 403}}
- {match: [{uri: {exact: /new}}], route: [{destination: {host: not-there-yet}}]}
- {match: [{uri: {exact: /v9}}], route: [{destination: {host: reviews, subset: v9}}]}
- route: [{destination: {host: reviews, subset: v2}}]`);
  mesh.apply(rule('- route: [{destination: {host: reviews, subset: v1}}]'));
  const problems = mesh.apply(next);
  assert.deepEqual(
    problems.map(({ message }) => message),
    [
      'Referenced host "not-there-yet.default.svc.cluster.local" not found',
      'Referenced subset "v9" of host "reviews.default.svc.cluster.local" not found',
    ],
  );
  const fresh = await startDataPlane({ yaml: [SUBSETS, next] });
  closers.push(fresh.close);
  const statusOf = (port: number, path: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, headers: { host: 'reviews:9080' }, agent: false }, (response) =>
        resolve(response.resume().statusCode),
      ).on('error', reject);
    });
  for (const path of ['/admin', '/new', '/v9']) {
    const expected = path === '/admin' ? 403 : 503;
    assert.equal(await statusOf(mesh.ports.outbound, path), expected, path);
    assert.equal(await statusOf(fresh.ports.outbound, path), expected, path);
  }
  await fresh.ended(3);
  assert.equal(fresh.records[1].details, 'cluster_not_found');
  assert.deepEqual(await versions(5), { v2: 5 });
});

test('an unknown host passes through, unless only the registry is allowed', async () => {
  const app = await startApp((_request, response) => response.end('outside'));
  closers.push(app.close);
  const outside = await ask('/', { host: `127.0.0.1:${app.port}` });
  assert.deepEqual([outside.status, outside.body], [200, 'outside']);
  const closed = await startDataPlane({
    outboundPolicy: 'REGISTRY_ONLY',
    yaml: [serviceEntry('known.example', app.port)],
  });
  closers.push(closed.close);
  const statusOf = (host: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: closed.ports.outbound, headers: { host }, agent: false }, (response) =>
        resolve(response.resume().statusCode),
      ).on('error', reject);
    });
  assert.equal(await statusOf(`127.0.0.1:${app.port}`), 502);
  assert.equal(await statusOf('known.example'), 200);
});

test('no name or address leads to link-local addresses or to the proxy itself', async () => {
  for (const host of [
    '169.254.169.254',
    `127.0.0.1:${mesh.ports.outbound}`,
    `localhost:${mesh.ports.outbound}`,
    '127.0.0.1:15000',
  ]) {
    assert.equal((await ask('/', { host })).status, 403, host);
  }
});

test('no name or address leads to the admin of another proxy, however it is spelled and whatever passed before', async () => {
  const admin = await startApp((_request, response) => response.end('LIVE'));
  closers.push(admin.close);
  const spellings = ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'].map((host) => `${host}:${admin.port}`);
  const statuses = async (): Promise<(number | undefined)[]> =>
    Promise.all(spellings.map(async (host) => (await ask('/ready', { host })).status));
  assert.deepEqual(await statuses(), [200, 200, 200]);
  mesh.told([], [`127.0.0.1:${admin.port}`]);
  assert.deepEqual(await statuses(), [403, 403, 403]);
  const elsewhere = await startApp((_request, response) => response.end('mine'), '127.4.5.6');
  closers.push(elsewhere.close);
  mesh.told([], [`127.4.5.7:${elsewhere.port}`, 'no.address:80']);
  assert.equal((await ask('/', { host: `127.4.5.6:${elsewhere.port}` })).status, 200, 'a port alone says nothing');
  assert.deepEqual(await statuses(), [200, 200, 200]);
});

test('an upstream that refuses is 503 UF after the attempts that may be made, and says why', async () => {
  const port = await freePort();
  const { status, body } = await ask('/', { host: `127.0.0.1:${port}` });
  assert.equal(status, 503);
  assert.match(
    body,
    /^upstream connect error or disconnect\/reset before headers. reset reason: remote connection failure/,
  );
});
