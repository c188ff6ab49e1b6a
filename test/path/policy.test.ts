import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import type { WorkloadEndpoint } from '../../core/workload.ts';
import { exchangeBytes, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';

// Two sidecars, each on a loopback address of its own, as two workloads on one machine are.
const CALLER = '127.41.0.1';
const SERVER = '127.41.0.2';

let caller: RunningDataPlane;
let server: RunningDataPlane;
let seen: Record<string, string | string[] | undefined> = {};
const closers: (() => unknown)[] = [];

function workload(name: string, address: string, port: number, services: string[]): WorkloadEndpoint {
  return {
    id: name,
    name: `${name}-1`,
    workload: name,
    namespace: 'default',
    serviceAccount: `bookinfo-${name}`,
    trustDomain: 'cluster.local',
    labels: { app: name },
    services,
    address,
    port,
    appPort: 9080,
    weight: 1,
    locality: '',
  };
}

before(async () => {
  const app = await startApp((request, response) => {
    seen = request.headers;
    response.end('details');
  });
  closers.push(app.close);
  server = await startDataPlane({ address: SERVER, labels: { app: 'details' }, appPort: app.port });
  caller = await startDataPlane({
    address: CALLER,
    labels: { app: 'productpage' },
    serviceAccount: 'bookinfo-productpage',
  });
  closers.push(server.close, caller.close);
  const endpoints = [
    workload('productpage', CALLER, 0, []),
    workload('details', SERVER, server.ports.inbound, ['details']),
  ];
  server.told(endpoints);
  caller.told(endpoints);
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  server.unconfigure();
});

function policy(spec: string): void {
  server.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: details}
spec:
${spec.trim().replace(/^/gm, '  ')}
`);
}

function call(path = '/details/0', headers: Record<string, string> = {}, method = 'GET'): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    get(
      {
        host: CALLER,
        port: caller.ports.outbound,
        path,
        method,
        agent: false,
        headers: { host: 'details:9080', ...headers },
      },
      (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve([response.statusCode!, body]));
      },
    ).on('error', reject);
  });
}

const DENIED = [403, 'RBAC: access denied'] as const;
const ALLOWED = [200, 'details'] as const;

test('without a policy everybody may call, and the caller is known by its own address', async () => {
  const before = server.records.length;
  assert.deepEqual(await call(), ALLOWED);
  await server.ended(before + 1);
  assert.equal(server.records[before].principal, 'cluster.local/ns/default/sa/bookinfo-productpage');
  assert.equal(server.records[before].source, 'productpage');
});

test('a principal that is allowed may call, and nobody else', async () => {
  policy(`
selector: {matchLabels: {app: details}}
action: ALLOW
rules:
- from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo-productpage]}}]
  to: [{operation: {methods: [GET], paths: [/details/*]}}]`);
  assert.deepEqual(await call(), ALLOWED);
  assert.deepEqual(await call('/secret'), DENIED);
  const stranger = await exchangeBytes(
    server.ports.inbound,
    'GET /details/0 HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n',
    undefined,
    SERVER,
  );
  assert.match(stranger, /^HTTP\/1\.1 403 [\s\S]*RBAC: access denied$/);
});

test('a caller whose services are for others only is known by its own address all the same', async () => {
  const [productpage, details] = [
    workload('productpage', CALLER, 0, ['productpage']),
    workload('details', SERVER, server.ports.inbound, ['details']),
  ];
  policy('rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo-productpage]}}]}]');
  server.told([details], [], [productpage]);
  assert.deepEqual(await call(), ALLOWED);
  server.told([details]);
  assert.deepEqual(await call(), DENIED);
  server.told([productpage, details]);
  assert.deepEqual(await call(), ALLOWED);
});

test('no header makes somebody else of a caller', async () => {
  policy('rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/admin]}}]}]');
  const forged = {
    'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/default/sa/admin',
    'x-envoy-peer-metadata-id': 'sidecar~127.0.0.1~admin.default~cluster.local',
    'x-forwarded-for': '127.41.0.9',
  };
  assert.deepEqual(await call('/details/0', forged), DENIED);
});

test('a dry run is told in the log and denies nothing', async () => {
  server.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: tried, annotations: {istio.io/dry-run: "true"}}
spec: {action: DENY, rules: [{}]}
`);
  assert.deepEqual(await call('/details/0?a=1'), ALLOWED);
  const caller = 'cluster.local/ns/default/sa/bookinfo-productpage';
  const line = `dry run: ns[default]-policy[tried]-rule[0] would deny GET /details/0 from ${caller}`;
  assert.deepEqual(server.logs.at(-1), `info wasm rbac: ${line}`);
});

test('a role of Istio before 1.6 opens what is closed since roles are on', async () => {
  const kinds = 'apiVersion: rbac.istio.io/v1alpha1\nkind:';
  server.apply(`${kinds} ClusterRbacConfig\nmetadata: {name: default}\nspec: {mode: "ON"}\n`);
  assert.deepEqual(await call(), DENIED);
  server.apply(`${kinds} ServiceRole
metadata: {name: viewer}
spec: {rules: [{services: ["*"], methods: [GET], constraints: [{key: "destination.labels[app]", values: [details]}]}]}
---
${kinds} ServiceRoleBinding
metadata: {name: bind}
spec: {subjects: [{user: cluster.local/ns/default/sa/bookinfo-productpage}], roleRef: {kind: ServiceRole, name: viewer}}
`);
  assert.deepEqual(await call(), ALLOWED);
  assert.deepEqual(await call('/details/0', {}, 'POST'), DENIED);
});

test('a denial names the policy and the rule in the log', async () => {
  policy(`
action: DENY
rules:
- to: [{operation: {methods: [POST]}}]
- to: [{operation: {paths: [/details/0]}}]`);
  const before = server.records.length;
  assert.deepEqual(await call(), DENIED);
  await server.ended(before + 1);
  assert.equal(
    server.records[before].details,
    'rbac_access_denied_matched_policy[ns[default]-policy[details]-rule[1]]',
  );
  assert.deepEqual(await call('/details/1'), ALLOWED);
});

test('the path that is authorised is the path that is forwarded', async () => {
  policy('action: DENY\nrules: [{to: [{operation: {paths: [/admin, /admin/*]}}]}]');
  for (const path of ['/admin', '/x/../admin', '/%61dmin', '/./admin/x', '/admin?x', '/x/%2e%2e/admin']) {
    assert.deepEqual(await call(path), DENIED, path);
  }
});

test('no other way of writing a path, a host or a method leads past a denial', async () => {
  policy(`
action: DENY
rules:
- to: [{operation: {paths: [/admin, /admin/*]}}]
- to: [{operation: {hosts: [secret.example]}}]
- when: [{key: "request.headers[x-role]", values: [guest]}]`);
  const send = (line: string, host = 'details', ...fields: string[]): Promise<string> => {
    const lines = [line, `Host: ${host}`, 'Connection: close', ...fields];
    return exchangeBytes(server.ports.inbound, `${lines.join('\r\n')}\r\n\r\n`, undefined, SERVER);
  };
  for (const path of [
    '/admin',
    '/admin/',
    '/admin?x',
    '/%61dmin',
    '/%61%64%6D%69%6E',
    '/x/../admin',
    '/x/%2e%2e/admin',
    '/.//../admin/x',
    '/x\\..\\admin\\x',
    '/./admin',
    '/admin/..%2fx',
  ]) {
    assert.match(await send(`GET ${path} HTTP/1.1`), /^HTTP\/1\.1 403 /, path);
  }
  for (const line of ['GET http://details/admin HTTP/1.1', 'GET HTTP://DETAILS/%61dmin HTTP/1.1']) {
    assert.match(await send(line), /^HTTP\/1\.1 40[03] /, line);
  }
  for (const path of ['/admin#x', '/admin%00', '/admi\xee', '/admin%', '/ad\tmin', '//admin@x:1']) {
    assert.match(await send(`GET ${path} HTTP/1.1`), /^HTTP\/1\.1 (?:400|200) /, path);
    assert.doesNotMatch(await send(`GET ${path} HTTP/1.1`), /secret/);
  }
  for (const host of ['secret.example', 'SECRET.example:80', 'secret.example.', 'secret.example.:80']) {
    assert.match(await send('GET / HTTP/1.1', host), /^HTTP\/1\.1 403 /, host);
  }
  assert.match(await send('GET http://secret.example/ HTTP/1.1', 'secret.example'), /^HTTP\/1\.1 40[03] /);
  for (const fields of [['x-role: guest'], ['X-ROLE:guest'], ['x-role: a', 'X-Role: guest'], ['x-role: guest, a']]) {
    assert.match(await send('GET / HTTP/1.1', 'details', ...fields), /^HTTP\/1\.1 403 /, String(fields));
  }
  assert.match(await send('GET / HTTP/1.1'), /^HTTP\/1\.1 200 /);
});

test('a tunnel to the inbound port leads past no policy', async () => {
  policy('action: DENY\nrules: [{to: [{operation: {paths: [/admin]}}]}]');
  const inner = 'GET /admin HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n';
  for (const to of ['details:9080', `${SERVER}:${server.ports.inbound}`, '127.0.0.1:80']) {
    const open = `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`;
    const answer = await exchangeBytes(server.ports.inbound, open + inner, undefined, SERVER);
    assert.match(answer, /HTTP\/1\.1 [45]\d\d /, answer);
    assert.doesNotMatch(answer, /\r\n\r\ndetails$/, to);
  }
});

test('a policy that allows nothing denies all, and lifting it allows all', async () => {
  policy('{}');
  assert.deepEqual(await call(), DENIED);
  server.unconfigure();
  assert.deepEqual(await call(), ALLOWED);
});

test('a condition on a header is matched on the request as it is', async () => {
  policy('rules: [{when: [{key: "request.headers[x-token]", values: [good]}]}]');
  assert.deepEqual(await call('/details/0', { 'x-token': 'good' }), ALLOWED);
  assert.deepEqual(await call('/details/0', { 'x-token': 'bad' }), DENIED);
  assert.deepEqual(await call(), DENIED);
});

test('what the mesh writes for itself does not reach the application', async () => {
  await call();
  assert.equal(seen['x-envoy-peer-metadata-id'], undefined);
  assert.match(String(seen['x-request-id']), /^[0-9a-f-]{36}$/);
});

test('a fault is injected by the caller, by header and by percentage', async () => {
  caller.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http:
  - match: [{headers: {end-user: {exact: jason}}}]
    fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
    route: [{destination: {host: details}}]
  - match: [{headers: {end-user: {exact: slow}}}]
    fault: {delay: {fixedDelay: 0.2s, percentage: {value: 100}}}
    route: [{destination: {host: details}}]
  - route: [{destination: {host: details}}]
`);
  assert.deepEqual(await call('/', { 'end-user': 'jason' }), [555, 'fault filter abort']);
  assert.deepEqual(await call(), ALLOWED);
  const before = caller.records.length;
  assert.deepEqual(await call('/', { 'end-user': 'slow' }), ALLOWED);
  await caller.ended(before + 1);
  assert.equal(flagNames(caller.records[before].flags), 'DI');
});
