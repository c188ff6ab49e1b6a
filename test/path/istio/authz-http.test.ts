// Istio's task authz-http: Bookinfo, closed at first and then opened one workload after the other.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTaskMesh, type TaskMesh } from './tasks.ts';

let mesh: TaskMesh;

before(async () => {
  const part = async (name: string, path: string, what: string): Promise<string> => {
    const { code, body } = await mesh.curl('productpage.default', `http://${name}:8000${path}`);
    return code === '200' ? body : `Error fetching product ${what}`;
  };
  const serve = (name: string, serves: (path: string) => string | Promise<string>) => ({
    ...{ name, namespace: 'default', account: `bookinfo-${name}`, serves, sidecar: true },
  });
  mesh = await startTaskMesh('127.51.3', [
    serve('productpage', async () =>
      [
        'Simple Bookstore App',
        await part('details', '/details/0', 'details'),
        await part('reviews', '/reviews/0', 'reviews'),
      ].join(', '),
    ),
    serve('details', () => 'Book Details'),
    serve('reviews', async () => {
      const { code } = await mesh.curl('reviews.default', 'http://ratings:8000/ratings/0');
      return `Book Reviews (${code === '200' ? 'stars' : 'Ratings service is currently unavailable'})`;
    }),
    serve('ratings', () => '5'),
    { name: 'ingress', namespace: 'legacy', serves: null, sidecar: false },
  ]);
});
after(() => mesh.close());

const page = () => mesh.curl('ingress.legacy', 'http://productpage.default:8000/productpage');

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
