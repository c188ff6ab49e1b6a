// Roles of Istio's first days decide about callers by their certificates: the samples of that time, where they are at hand.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { startBookinfo } from './bookinfo.ts';
import type { Shown, TaskMesh } from './tasks.ts';

const SAMPLES = join(import.meta.dirname, '../../../../shared/samples/istio/rbac-v1alpha1');
const DENIED = ['403', 'RBAC: access denied'];

let mesh: TaskMesh;
let page: () => Promise<Shown>;

before(async () => {
  ({ mesh, page } = await startBookinfo('127.51.7'));
});
after(() => mesh.close());
afterEach(() => mesh.unconfigure());

async function answer(from: string, host: string, method = 'GET'): Promise<string[]> {
  const { code, body } = await mesh.curl(from, `http://${host}.default:8000/`, { method });
  return [code, body];
}

const ON = `
apiVersion: rbac.istio.io/v1alpha1
kind: ClusterRbacConfig
metadata: { name: default }
spec: { mode: ON_WITH_INCLUSION, inclusion: { namespaces: [default] } }
`;

const role = (subject: string) => `
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRole
metadata: { name: viewer, namespace: default }
spec: { rules: [{ services: [details.default.svc.cluster.local], methods: [GET] }] }
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRoleBinding
metadata: { name: bind-viewer, namespace: default }
spec:
  subjects: [${subject}]
  roleRef: { kind: ServiceRole, name: viewer }
`;

test('a user of a binding is who the certificate names, and nobody in plain text', async () => {
  mesh.apply(ON);
  mesh.apply(role('{ user: cluster.local/ns/default/sa/bookinfo-productpage }'));
  assert.deepEqual(await answer('productpage.default', 'details'), ['200', 'Book Details']);
  assert.deepEqual(await answer('productpage.default', 'details', 'POST'), DENIED);
  assert.deepEqual(await answer('reviews.default', 'details'), DENIED);
  assert.deepEqual(await answer('ingress.legacy', 'details'), DENIED);
});

test('a namespace of a binding is that of the certificate', async () => {
  mesh.apply(ON);
  mesh.apply(role('{ properties: { source.namespace: istio-system } }'));
  assert.deepEqual(await answer('curl.istio-system', 'details'), ['200', 'Book Details']);
  assert.deepEqual(await answer('curl.other', 'details'), DENIED);
  assert.deepEqual(await answer('ingress.legacy', 'details'), DENIED);
});

if (existsSync(SAMPLES)) {
  const sample = (name: string) => mesh.apply(readFileSync(join(SAMPLES, `${name}.yaml`), 'utf8'));
  const show = async (): Promise<string[]> => {
    const { code, body } = await page();
    return [code, body];
  };

  describe("Istio's own samples", () => {
    test('open Bookinfo one hop after the other', async () => {
      sample('rbac-config-ON');
      assert.deepEqual(await show(), DENIED);
      sample('productpage-policy');
      const errors = 'Error fetching product details, Error fetching product reviews';
      assert.deepEqual(await show(), ['200', `Simple Bookstore App, ${errors}`]);
      sample('details-reviews-policy');
      const first = 'Simple Bookstore App, Book Details, Book Reviews';
      assert.deepEqual(await show(), ['200', `${first} (Ratings service is currently unavailable)`]);
      sample('ratings-policy');
      assert.deepEqual(await show(), ['200', `${first} (stars)`]);
    });

    test('let namespaces read, and nobody else', async () => {
      sample('rbac-config-ON');
      sample('namespace-policy');
      for (const host of ['productpage', 'details', 'reviews', 'ratings']) {
        assert.equal((await answer('curl.istio-system', host))[0], '200', host);
        assert.deepEqual(await answer('curl.istio-system', host, 'POST'), DENIED, host);
        assert.deepEqual(await answer('curl.other', host), DENIED, host);
      }
      assert.deepEqual(await show(), DENIED, 'who has no certificate is of no namespace');
    });

    test('try roles without a refusal where they are permissive as a whole', async () => {
      sample('rbac-config-on-permissive');
      sample('details-reviews-policy');
      assert.equal((await answer('curl.other', 'details'))[0], '200');
    });

    test('count a permissive binding as none', async () => {
      sample('rbac-config-ON');
      sample('details-reviews-policy-permissive');
      assert.deepEqual(await answer('productpage.default', 'details'), DENIED);
    });
  });
}
