// Istio's tasks authz-deny, authz-jwt, authz-dry-run and authz-custom: httpbin and curl in foo, with the policies and the results
// of the tasks. The authorizer is a process of its own, behind a sidecar.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, test } from 'node:test';
import { KEYS, token } from '../../filters/tokens.ts';
import { startTaskMesh, type TaskMesh } from './tasks.ts';

const SAMPLE = join(import.meta.dirname, '../../../examples/ext-authz/server.mjs');
const ISSUER = 'testing@secure.istio.io';
const HTTPBIN = 'http://httpbin.foo:8000';

let mesh: TaskMesh;
let authorizer: ChildProcess;

before(async () => {
  authorizer = spawn(process.execPath, [SAMPLE, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: authorizer.stdout! }), 'line')) as [string];
  const port = Number(/\d+$/.exec(line)![0]);
  mesh = await startTaskMesh('127.51.2', [
    { name: 'curl', namespace: 'foo', serves: null, sidecar: true },
    {
      ...{ name: 'httpbin', namespace: 'foo', sidecar: true },
      serves: (path, method, headers) => JSON.stringify({ path, method, headers }),
    },
    { name: 'ext-authz', namespace: 'foo', serves: null, port, sidecar: true },
  ]);
});
after(async () => {
  authorizer.kill();
  await mesh.close();
});
afterEach(() => mesh.unconfigure());

async function code(path: string, headers: readonly string[] = [], method = 'GET'): Promise<string> {
  return (await mesh.curl('curl.foo', `${HTTPBIN}${path}`, { method, headers })).code;
}

function policy(name: string, spec: string, annotations = ''): void {
  mesh.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${name}
  namespace: foo
${annotations}
spec:
  selector:
    matchLabels:
      app: httpbin
${spec.trim().replace(/^/gm, '  ')}
`);
}

test('authz-deny: a denial by method, by header, and before what another policy allows', async () => {
  assert.equal(await code('/get'), '200');
  policy('deny-method-get', 'action: DENY\nrules:\n- to:\n  - operation:\n      methods: ["GET"]');
  assert.equal(await code('/get'), '403');
  assert.equal(await code('/post', [], 'POST'), '200');
  policy(
    'deny-method-get',
    'action: DENY\nrules:\n- to:\n  - operation:\n      methods: ["GET"]\n  when:\n  - key: request.headers[x-token]\n    notValues: ["admin"]',
  );
  assert.equal(await code('/get', ['x-token: admin']), '200');
  assert.equal(await code('/get', ['x-token: guest']), '403');
  policy('allow-path-ip', 'action: ALLOW\nrules:\n- to:\n  - operation:\n      paths: ["/ip"]');
  assert.equal(await code('/ip', ['x-token: guest']), '403');
  assert.equal(await code('/ip', ['x-token: admin']), '200');
  assert.equal(await code('/get', ['x-token: admin']), '403');
});

test('authz-jwt: a token that does not hold, none, one that holds, and one with a group', async () => {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const demo = await token({ iss: ISSUER, sub: ISSUER, exp });
  const group = await token({ iss: ISSUER, sub: ISSUER, exp, groups: ['group1', 'group2'] });
  const bearer = (text: string): string[] => [`Authorization: Bearer ${text}`];
  mesh.apply(`
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata:
  name: "jwt-example"
  namespace: foo
spec:
  selector:
    matchLabels:
      app: httpbin
  jwtRules:
  - issuer: "${ISSUER}"
    jwks: '${KEYS}'
`);
  assert.equal(await code('/headers', bearer('invalidToken')), '401');
  assert.equal(await code('/headers'), '200');
  const from = `rules:\n- from:\n  - source:\n      requestPrincipals: ["${ISSUER}/${ISSUER}"]`;
  policy('require-jwt', `action: ALLOW\n${from}`);
  assert.equal(await code('/headers', bearer(demo)), '200');
  assert.equal(await code('/headers'), '403');
  policy(
    'require-jwt',
    `action: ALLOW\n${from}\n  when:\n  - key: request.auth.claims[groups]\n    values: ["group1"]`,
  );
  assert.equal(await code('/headers', bearer(group)), '200');
  assert.equal(await code('/headers', bearer(demo)), '403');
});

test('authz-dry-run: what a policy would deny is told and passes, until it is meant', async () => {
  const spec = 'action: DENY\nrules:\n- to:\n  - operation:\n      paths: ["/headers"]';
  policy('deny-path-headers', spec, '  annotations:\n    "istio.io/dry-run": "true"');
  assert.equal(await code('/headers'), '200');
  const { logs } = mesh.workloads.get('httpbin.foo')!.plane!;
  const told =
    /dry run: ns\[foo\]-policy\[deny-path-headers\]-rule\[0\] would deny GET \/headers from cluster\.local\/ns\/foo\/sa\/curl/;
  assert.match(logs.at(-1) ?? '', told);
  policy('deny-path-headers', spec, '  annotations:\n    "istio.io/dry-run": "false"');
  assert.equal(await code('/headers'), '403');
});

test('authz-custom: the authorizer is asked about /headers alone, and through the mesh', async () => {
  mesh.apply(`
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: {name: default}
spec:
  extensionProviders:
  - name: "sample-ext-authz-http"
    envoyExtAuthzHttp:
      service: "ext-authz.foo.svc.cluster.local"
      port: "8000"
      includeRequestHeadersInCheck: ["x-ext-authz"]
      headersToUpstreamOnAllow: ["x-ext-authz-check-*"]
`);
  const rules = 'rules:\n- to:\n  - operation:\n      paths: ["/headers"]';
  policy('ext-authz', `action: CUSTOM\nprovider:\n  name: sample-ext-authz-http\n${rules}`);
  // What the task asks of both ends.
  mesh.apply(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
`);
  const denied = await mesh.curl('curl.foo', `${HTTPBIN}/headers`, { headers: ['x-ext-authz: deny'] });
  assert.deepEqual(
    [denied.code, denied.body],
    ['403', 'denied by ext_authz for not found header `x-ext-authz: allow` in the request'],
  );
  const allowed = await mesh.curl('curl.foo', `${HTTPBIN}/headers`, { headers: ['x-ext-authz: allow'] });
  assert.equal(allowed.code, '200');
  assert.equal(JSON.parse(allowed.body).headers['x-ext-authz-check-result'], 'allowed');
  assert.equal(await code('/ip'), '200');
  const { records } = mesh.workloads.get('ext-authz.foo')!.plane!;
  assert.deepEqual(
    records.map(({ principal, path }) => `${principal} ${path}`),
    ['cluster.local/ns/foo/sa/httpbin /headers', 'cluster.local/ns/foo/sa/httpbin /headers'],
  );
});
