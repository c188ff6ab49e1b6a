// Bookinfo as Istio's tasks about authorization have it: what productpage shows says which hop was refused.

import { type Shown, startTaskMesh, type TaskMesh } from './tasks.ts';

export interface Bookinfo {
  readonly mesh: TaskMesh;
  /** As who has no sidecar gets it. */
  page(): Promise<Shown>;
}

export async function startBookinfo(network: string): Promise<Bookinfo> {
  const part = async (name: string, path: string, what: string): Promise<string> => {
    const { code, body } = await mesh.curl('productpage.default', `http://${name}:8000${path}`);
    return code === '200' ? body : `Error fetching product ${what}`;
  };
  const serve = (name: string, serves: (path: string) => string | Promise<string>) => ({
    ...{ name, namespace: 'default', account: `bookinfo-${name}`, serves, sidecar: true },
  });
  const mesh = await startTaskMesh(network, [
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
    { name: 'curl', namespace: 'istio-system', serves: null, sidecar: true },
    { name: 'curl', namespace: 'other', serves: null, sidecar: true },
  ]);
  return { mesh, page: () => mesh.curl('ingress.legacy', 'http://productpage.default:8000/productpage') };
}
