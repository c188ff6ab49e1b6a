// Which of a service's endpoints gets how many requests, through a sidecar's outbound port.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';

let mesh: RunningDataPlane;
let ports: number[];
const closers: (() => unknown)[] = [];

before(async () => {
  const apps = await Promise.all(
    ['light', 'heavy'].map((name) => startApp((_request, response) => void response.end(name))),
  );
  ports = apps.map(({ port }) => port);
  closers.push(...apps.map(({ close }) => close));
  mesh = await startDataPlane();
  closers.unshift(mesh.close);
});

after(async () => {
  for (const close of closers) await close();
});

function serve(simple: string, weights: readonly (number | undefined)[]): void {
  mesh.apply(
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'up' },
      spec: {
        hosts: ['up.example'],
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        resolution: 'STATIC',
        endpoints: ports.map((port, i) => ({ address: '127.0.0.1', ports: { http: port }, weight: weights[i] })),
      },
    }),
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: 'up' },
      spec: { host: 'up.example', trafficPolicy: { loadBalancer: { simple } } },
    }),
  );
}

async function answers(count: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = { light: 0, heavy: 0 };
  for (let i = 0; i < count; i++) {
    const { body } = await call({ port: mesh.ports.outbound, headers: { host: 'up.example' } });
    counts[body]++;
  }
  return counts;
}

test('an endpoint of three times the weight gets three of four requests in turn, and half without weights again', async () => {
  serve('ROUND_ROBIN', [1, 3]);
  assert.deepEqual(await answers(40), { light: 10, heavy: 30 });
  serve('ROUND_ROBIN', []);
  assert.deepEqual(await answers(40), { light: 20, heavy: 20 });
  serve('ROUND_ROBIN', [undefined, 4]);
  assert.deepEqual(await answers(40), { light: 8, heavy: 32 });
});

for (const simple of ['RANDOM', 'LEAST_REQUEST']) {
  test(`an endpoint of nineteen times the weight gets most requests by ${simple}`, async () => {
    serve(simple, [1, 19]);
    const { heavy } = await answers(100);
    assert.ok(heavy > 75, `${heavy} of 100`);
  });
}
