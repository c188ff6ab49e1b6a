// Istio's tasks authn-policy and mtls-migration: who reaches whom in three namespaces, of which `legacy` has no sidecars.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startTaskMesh, type TaskMesh } from './tasks.ts';

const NAMESPACES = ['foo', 'bar', 'legacy'] as const;
const BOTH = ['foo', 'bar'] as const;

let mesh: TaskMesh;

before(async () => {
  mesh = await startTaskMesh(
    '127.51.1',
    NAMESPACES.flatMap((namespace) => [
      { name: 'curl', namespace, serves: null, sidecar: namespace !== 'legacy' },
      { name: 'httpbin', namespace, serves: () => 'httpbin', sidecar: namespace !== 'legacy' },
    ]),
  );
});
after(() => mesh.close());
afterEach(() => mesh.unconfigure());

/** As the task's loop prints it: from, to and the code, of all that is not 200. */
async function grid(
  from: readonly string[] = NAMESPACES,
  to: readonly string[] = NAMESPACES,
): Promise<readonly string[]> {
  const lines = await Promise.all(
    from.flatMap((a) =>
      to.map(async (b) => {
        const { code } = await mesh.curl(`curl.${a}`, `http://httpbin.${b}:8000/ip`);
        return `curl.${a} to httpbin.${b}: ${code}`;
      }),
    ),
  );
  return lines.filter((line) => !line.endsWith(': 200'));
}

function peers(namespace: string, name: string, spec: string): void {
  mesh.apply(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: "${name}"
  namespace: "${namespace}"
spec:
${spec.trim().replace(/^/gm, '  ')}
`);
}

test('without a policy everybody reaches everybody', async () => {
  assert.deepEqual(await grid(), []);
});

test('STRICT for the mesh: who has no sidecar reaches nobody who has one', async () => {
  peers('istio-system', 'default', 'mtls:\n  mode: STRICT');
  assert.deepEqual(await grid(), ['curl.legacy to httpbin.foo: 000', 'curl.legacy to httpbin.bar: 000']);
});

test('STRICT for a namespace closes that one', async () => {
  peers('foo', 'default', 'mtls:\n  mode: STRICT');
  assert.deepEqual(await grid(), ['curl.legacy to httpbin.foo: 000']);
});

test('STRICT for a workload closes that one, and a port of it may be opened again', async () => {
  peers('bar', 'httpbin', 'selector:\n  matchLabels:\n    app: httpbin\nmtls:\n  mode: STRICT');
  assert.deepEqual(await grid(), ['curl.legacy to httpbin.bar: 000']);
  const { appPort } = mesh.workloads.get('httpbin.bar')!;
  peers(
    'bar',
    'httpbin',
    `selector:\n  matchLabels:\n    app: httpbin\nmtls:\n  mode: STRICT\nportLevelMtls:\n  ${appPort}:\n    mode: DISABLE`,
  );
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: "httpbin"
  namespace: "bar"
spec:
  host: httpbin.bar.svc.cluster.local
  trafficPolicy:
    tls:
      mode: ISTIO_MUTUAL
    portLevelSettings:
    - port:
        number: 8000
      tls:
        mode: DISABLE
`);
  assert.deepEqual(await grid(), []);
});

test("a workload's policy goes before that of its namespace", async () => {
  peers('foo', 'default', 'mtls:\n  mode: STRICT');
  peers('foo', 'overwrite-example', 'selector:\n  matchLabels:\n    app: httpbin\nmtls:\n  mode: DISABLE');
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: "overwrite-example"
  namespace: "foo"
spec:
  host: httpbin.foo.svc.cluster.local
  trafficPolicy:
    tls:
      mode: DISABLE
`);
  assert.deepEqual(await grid(['legacy'], ['foo']), []);
});

test('a migration: plain text is taken, then not in one namespace, then nowhere', async () => {
  assert.deepEqual(await grid(NAMESPACES, BOTH), []);
  peers('foo', 'default', 'mtls:\n  mode: STRICT');
  assert.deepEqual(await grid(NAMESPACES, BOTH), ['curl.legacy to httpbin.foo: 000']);
  peers('istio-system', 'default', 'mtls:\n  mode: STRICT');
  assert.deepEqual(await grid(NAMESPACES, BOTH), [
    'curl.legacy to httpbin.foo: 000',
    'curl.legacy to httpbin.bar: 000',
  ]);
});
