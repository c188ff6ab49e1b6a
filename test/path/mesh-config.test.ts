import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { Snapshot } from '../../core/snapshot/snapshot.ts';
import { call, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

const HOST = 'app.test';

let plane: RunningDataPlane;
let asked = 0;
let port = 0;
const closers: (() => unknown)[] = [];

before(async () => {
  const app = await startApp((_, response) => {
    asked++;
    response.statusCode = 503;
    response.end('not now');
  });
  port = app.port;
  plane = await startDataPlane();
  closers.push(plane.close, app.close);
});
after(async () => {
  for (const close of closers) await close();
});
afterEach(() => plane.unconfigure());

/** The service is there before. */
function meshWide(spec: object, ...others: object[]): void {
  plane.apply(serviceEntry(HOST, port));
  const config = { apiVersion: 'weft.dev/v1', kind: 'MeshConfig', metadata: { name: 'default' }, spec };
  plane.apply(...[config, ...others].map((each) => JSON.stringify(each)));
}

async function attempts(): Promise<number> {
  asked = 0;
  await call({ port: plane.ports.outbound, path: '/', headers: { host: HOST } });
  return asked;
}

function policy() {
  const { snapshot } = plane.plane as unknown as { readonly snapshot: Snapshot };
  return snapshot.clusters.get(`outbound|80||${HOST}`)!.spec.policy;
}

test('retries of the mesh are for routes that say nothing of retries, and end with what says them', async () => {
  meshWide({});
  assert.equal(await attempts(), 1);
  meshWide({ defaultHttpRetryPolicy: { attempts: 3, retryOn: '503', backoff: '1ms' } });
  assert.equal(await attempts(), 4);
  const rule = {
    ...{ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'app' } },
    spec: { hosts: [HOST], http: [{ route: [{ destination: { host: HOST } }] }] },
  };
  plane.apply(JSON.stringify(rule));
  assert.equal(await attempts(), 4);
  plane.apply(
    JSON.stringify({ ...rule, spec: { ...rule.spec, http: [{ ...rule.spec.http[0], retries: { attempts: 0 } }] } }),
  );
  assert.equal(await attempts(), 1);
  plane.unconfigure();
  plane.apply(serviceEntry(HOST, port));
  assert.equal(await attempts(), 1);
});

test('time-outs of connecting and the upgrade to HTTP/2 are for services whose rules say nothing of them', () => {
  const settings = (connectionPool: object) => ({
    ...{ apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'app' } },
    spec: { host: HOST, trafficPolicy: { connectionPool } },
  });
  const found = () => [policy().connectTimeoutMs, policy().protocol];
  meshWide({});
  assert.deepEqual(found(), [10_000, 'http/1.1']);
  meshWide({ connectTimeout: '3s', h2UpgradePolicy: 'UPGRADE' });
  assert.deepEqual(found(), [3_000, 'h2']);
  plane.apply(JSON.stringify(settings({ tcp: { connectTimeout: '1s' }, http: { h2UpgradePolicy: 'DO_NOT_UPGRADE' } })));
  assert.deepEqual(found(), [1_000, 'http/1.1']);
  plane.apply(JSON.stringify(settings({ http: { h2UpgradePolicy: 'DEFAULT' } })));
  assert.deepEqual(found(), [3_000, 'h2']);
});
