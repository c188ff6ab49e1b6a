// Calls to services that a sidecar's Sidecar or the services' exportTo leaves out, and to hosts that nobody knows.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { flagBit } from '../../core/errors.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startDataPlane } from './data-plane.ts';
import { OK, type Scripted, startScripted } from './scripted.ts';

let app: Scripted;
let sidecar: RunningDataPlane;

const service = (namespace: string, name: string, exportTo: string): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace, name, annotations: { 'networking.istio.io/exportTo': exportTo } },
  spec: { ports: [{ name: 'http', port: 80 }] },
});
const imports = (mode: string, ...hosts: string[]): string =>
  JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'Sidecar',
    metadata: { name: 'default' },
    spec: { egress: [{ hosts }], outboundTrafficPolicy: { mode } },
  });

before(async () => {
  app = await startScripted(OK);
  sidecar = await startDataPlane({ appPort: app.port });
});

after(async () => {
  await sidecar.close();
  await app.close();
});

function ask(host: string): Promise<string> {
  const lines = ['GET / HTTP/1.1', `Host: ${host}`, 'Connection: close', '', ''];
  return exchangeBytes(sidecar.ports.outbound, lines.join('\r\n'));
}

test('a service that its caller does not import, or is not exported to him, answers with what it is', async () => {
  const mesh = [
    serviceEntry('up.example', app.port),
    JSON.stringify(service('shop', 'cart', '*')),
    JSON.stringify(service('shop', 'secret', '.')),
  ];
  sidecar.apply(...mesh, imports('REGISTRY_ONLY', '*/up.example'));
  assert.match(await ask('up.example'), /^HTTP\/1\.1 200 /);
  for (const host of ['cart.shop', 'CART.shop:80', 'secret.shop.svc.cluster.local']) {
    const answer = await ask(host);
    assert.match(answer, /^HTTP\/1\.1 502 /, host);
    assert.match(answer, /not exported to its caller, or the Sidecar of its caller does not import it/, host);
    const { details, flags } = sidecar.records.at(-1)!;
    assert.deepEqual([details, flags], ['out_of_scope', flagBit('NR')], host);
  }
  sidecar.apply(...mesh, imports('REGISTRY_ONLY', '*/up.example', 'shop/*'));
  assert.match(await ask('cart.shop'), /^HTTP\/1\.1 503 /);
  assert.equal(sidecar.records.at(-1)!.details, 'no_healthy_upstream');
  assert.match(await ask('secret.shop'), /^HTTP\/1\.1 502 /);
});

test('a Sidecar that lets its proxies call the registry alone does so, and one that lets them call anybody, too', async () => {
  const up = serviceEntry('up.example', app.port);
  const unknown = `127.0.0.1:${app.port}`;
  for (const [mode, status] of [
    ['ALLOW_ANY', 200],
    ['REGISTRY_ONLY', 502],
    ['ALLOW_ANY', 200],
  ] as const) {
    sidecar.apply(up, imports(mode, '*/*'));
    assert.match(await ask(unknown), new RegExp(`^HTTP/1\\.1 ${status} `), mode);
  }
});
