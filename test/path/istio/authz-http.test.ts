// Istio's task authz-http: Bookinfo, closed at first and then opened one workload after the other.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBookinfo } from './bookinfo.ts';
import type { Shown, TaskMesh } from './tasks.ts';

let mesh: TaskMesh;
let page: () => Promise<Shown>;

before(async () => {
  ({ mesh, page } = await startBookinfo('127.51.3'));
});
after(() => mesh.close());

function policy(name: string, app: string, account: string | null): void {
  const from = account === null ? '' : `from: [{source: {principals: ["cluster.local/ns/default/sa/${account}"]}}], `;
  mesh.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: "${name}", namespace: default}
spec:
  selector: {matchLabels: {app: ${app}}}
  action: ALLOW
  rules: [{${from}to: [{operation: {methods: ["GET"]}}]}]
`);
}

test('Bookinfo is closed, and opens one workload after the other to whom a policy names', async () => {
  assert.equal((await page()).body, 'Simple Bookstore App, Book Details, Book Reviews (stars)');
  mesh.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow-nothing, namespace: default}
spec: {}
`);
  const closed = await page();
  assert.deepEqual([closed.code, closed.body], ['403', 'RBAC: access denied']);
  policy('productpage-viewer', 'productpage', null);
  const errors = 'Error fetching product details, Error fetching product reviews';
  assert.equal((await page()).body, `Simple Bookstore App, ${errors}`);
  policy('details-viewer', 'details', 'bookinfo-productpage');
  assert.equal((await page()).body, 'Simple Bookstore App, Book Details, Error fetching product reviews');
  policy('reviews-viewer', 'reviews', 'bookinfo-productpage');
  assert.match((await page()).body, /Book Reviews \(Ratings service is currently unavailable\)$/);
  policy('ratings-viewer', 'ratings', 'bookinfo-reviews');
  assert.equal((await page()).body, 'Simple Bookstore App, Book Details, Book Reviews (stars)');
});
