// What a change costs the control plane of a large mesh, and for how long it keeps others waiting:
// `node bench/control/run.ts [SERVICES]` (default 5000, and twice as many VirtualServices).

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { tellUsage } from '../../scripts/usage.ts';
import { startMesh } from '../../test/bus/harness.ts';
import type { Cost } from './plane.ts';

tellUsage('node bench/control/run.ts [SERVICES]: what changes cost the control plane of a large mesh');
const SERVICES = Number(process.argv[2] ?? 5_000);
const NAMESPACES = 50;
const SETTLE_MS = 1_500;

interface Plane {
  readonly process: ChildProcess;
  readonly url: string;
  readonly token: string;
}

const mesh = await startMesh();
process.stdout.write(
  `${'what'.padEnd(40)}    wall ms  longest hold   of it GC  main CPU   all CPU  heap MiB   RSS MiB\n`,
);
try {
  let plane = await start('start, nothing there');
  await measured(plane, 'first load, all in one apply', () => apply(plane, all()));
  await stop(plane);
  plane = await start('start with that state');
  await measured(plane, 'at rest for a while', async () => {});
  const one = (n: number) => apply(plane, [virtualService(7, `v${n}`)]);
  await measured(plane, 'apply of one VirtualService, the first', () => one(1));
  await measured(plane, 'apply of one VirtualService', () => one(2));
  await measured(plane, 'apply of one VirtualService, once more', () => one(3));
  await measured(plane, 'apply of one Service that is new', () => apply(plane, [service(SERVICES)]));
  await measured(plane, 'dry run of one VirtualService', () => apply(plane, [virtualService(8, 'v9')], true));
  const some = Array.from({ length: 1_000 }, (_, i) => virtualService(i, 'w'));
  await measured(plane, 'apply of 1,000 VirtualServices', () => apply(plane, some));
  await measured(plane, 'GET of all VirtualServices', () => call(plane, 'GET', '/v1/resources?kind=vs'));
  await measured(plane, 'GET of everything', () => call(plane, 'GET', '/v1/resources'));
  await measured(plane, 'GET of one', () => call(plane, 'GET', '/v1/resources?kind=vs&namespace=ns-7&name=rule-7'));
  await measured(plane, 'backup', () => call(plane, 'GET', '/v1/backup'));
  await measured(plane, 'history', () => call(plane, 'GET', '/v1/revisions?limit=20'));
  const bus = await mesh.open('proxy', { node: 'joins' });
  await measured(plane, 'a proxy joins', () => bus.leases.hold(lease()));
  await measured(plane, 'apply of one VirtualService, then', () => one(4));
  await measured(plane, '40 applies of one VirtualService', async () => {
    for (let n = 5; n < 45; n++) await one(n);
  });
  await stop(plane);
} finally {
  await mesh.stop();
}

async function start(what: string): Promise<Plane> {
  const began = performance.now();
  const nats = { servers: [mesh.server.url], ...mesh.server.credentials.control };
  const options = { nats, stateDir: join(mesh.stateDir, 'control'), version: '0' };
  const child = fork(join(import.meta.dirname, 'plane.ts'), [JSON.stringify(options)]);
  const [told] = (await once(child, 'message')) as [Pick<Plane, 'url' | 'token'>];
  const plane = { process: child, ...told };
  const ms = performance.now() - began;
  await settled();
  tell(what, ms, await cost(plane));
  return plane;
}

async function stop({ process: child }: Plane): Promise<void> {
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
}

async function measured(plane: Plane, what: string, work: () => Promise<unknown>): Promise<void> {
  await cost(plane);
  const began = performance.now();
  await work();
  const ms = performance.now() - began;
  await settled();
  tell(what, ms, await cost(plane));
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

async function cost(plane: Plane): Promise<Cost> {
  const answer = once(plane.process, 'message');
  plane.process.send('cost');
  return (await answer)[0] as Cost;
}

function tell(what: string, ms: number, { holdMs, collectMs, mainMs, allMs, heapMb, rssMb }: Cost): void {
  const figures = [ms, holdMs, collectMs, mainMs, allMs, heapMb, rssMb].map((each) => each.toFixed(1).padStart(10));
  process.stdout.write(`${what.padEnd(40)} ${figures.join('')}\n`);
}

async function call({ url, token }: Plane, method: string, path: string, body?: object): Promise<string> {
  const answer = await fetch(url + path, {
    ...{ method, signal: AbortSignal.timeout(300_000) },
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
  return text;
}

function apply(plane: Plane, resources: readonly string[], dryRun = false): Promise<string> {
  const files = Array.from({ length: Math.ceil(resources.length / 500) }, (_, i) => ({
    ...{ name: `${i}.yaml`, text: resources.slice(i * 500, i * 500 + 500).join('---\n') },
  }));
  return call(plane, 'POST', `/v1/apply${dryRun ? '?dryRun=true' : ''}`, { files });
}

function all(): string[] {
  const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
`;
  const services = Array.from({ length: SERVICES }, (_, i) => service(i));
  const rules = Array.from({ length: SERVICES * 2 }, (_, i) => virtualService(i, 'v0'));
  return [gateway, ...services, ...rules];
}

function service(n: number): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: service-${n}
  namespace: ns-${n % NAMESPACES}
spec:
  selector: {app: service-${n}}
  ports: [{name: http, port: 9080, targetPort: 8080}]
`;
}

/** Of a service, or of a host of the gateway. */
function virtualService(n: number, value: string): string {
  const of = n % SERVICES;
  const host = `service-${of}.ns-${of % NAMESPACES}.svc.cluster.local`;
  const where = n < SERVICES ? `hosts: [${host}]` : `hosts: [web-${n}.example.com]\n  gateways: [istio-system/edge]`;
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: rule-${n}
  namespace: ns-${of % NAMESPACES}
spec:
  ${where}
  http:
    - match: [{uri: {prefix: /api}}]
      headers: {request: {set: {x-version: ${value}}}}
      timeout: 5s
      route: [{destination: {host: ${host}, port: {number: 9080}}}]
    - route: [{destination: {host: ${host}, port: {number: 9080}}}]
`;
}

function lease() {
  const identity = { namespace: 'default', serviceAccount: 'default' };
  const node = {
    ...{ id: 'joins', name: 'joins', workload: 'joins', ...identity, trustDomain: 'cluster.local', labels: {} },
    ...{ role: 'sidecar', address: '', app: { address: '127.0.0.1', port: 1 }, services: ['joins'] },
  };
  const endpoints = [{ ...identity, id: 'joins', services: ['joins'], address: '127.0.0.1', appPort: 1, labels: {} }];
  const times = { version: '0', startedAt: new Date().toISOString() };
  return { proxy: 'joins', ttlMs: 15_000, node, endpoints, admin: '', ...times };
}
