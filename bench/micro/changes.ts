// What a change costs the thread that serves requests, in a large mesh: the longest time in which no request is answered, and all of
// its CPU. `node --expose-gc bench/micro/changes.ts [services] [VirtualServices] [endpoints] [sidecar|scoped|gateway]`,
// scoped: a sidecar that imports two services.

import { NO_REMOTE_KEYS } from '../../core/builtins/authn/rules.ts';
import { decodeResource } from '../../core/config/decode.ts';
import type { Resource } from '../../core/config/resource.ts';
import { servedBy } from '../../core/main/endpoints.ts';
import { createDataPlane, type DataPlane } from '../../core/shard/data-plane.ts';
import { createShardMemory } from '../../core/shard/memory.ts';
import type { Steps } from '../../core/steps.ts';
import type { Node, WorkloadEndpoint } from '../../core/workload.ts';
import { tellUsage } from '../../scripts/usage.ts';

const SLICE_MS = 2;

/** Milliseconds. */
interface Figures {
  longest: number;
  clock: number;
  total: number;
}

const WHO = {
  namespace: 'default',
  serviceAccount: 'default',
  trustDomain: 'cluster.local',
  weight: 1,
  locality: '',
} as const;

const IMPORTS = resource('Sidecar', 'two', {
  egress: [{ hosts: ['./s1.default.svc.cluster.local', './s2.default.svc.cluster.local'] }],
});

function node(role: Node['role']): Node {
  const labels: Record<string, string> = role === 'gateway' ? { istio: 'ingressgateway' } : { app: 'caller' };
  const app = role === 'sidecar' ? { address: '127.0.0.1', port: 8000 } : null;
  return { ...WHO, id: role, name: role, workload: role, labels, role, address: '', app, services: [] };
}

function planeOf(role: Node['role']): DataPlane {
  return createDataPlane({
    node: node(role),
    shard: 0,
    options: {
      reusePort: false,
      protectedPorts: [],
      logLevel: 'error',
      accessLog: 'off',
      outboundPolicy: 'ALLOW_ANY',
      maxActiveRequests: 1000,
      seriesExpiryMs: 3_600_000,
      drainTimeoutMs: 5000,
      handshakeTimeoutMs: 15_000,
      sessionSeed: '',
    },
    modules: [],
    shared: createShardMemory(1, 1),
    keys: NO_REMOTE_KEYS,
    filterThreads: { threads: 0, connect: () => undefined },
    sink: {
      exchangeEnded: () => undefined,
      connectionOpened: () => undefined,
      connectionMoved: () => undefined,
      connectionEnded: () => undefined,
    },
    log: () => undefined,
    pluginRestarted: () => undefined,
  });
}

function resource(kind: string, name: string, spec: object): Resource {
  const apiVersion = kind === 'Service' ? 'v1' : 'networking.istio.io/v1';
  const decoded = decodeResource({ apiVersion, kind, metadata: { name, namespace: 'default' }, spec });
  if (decoded.resource === null) throw new Error(JSON.stringify(decoded.problems));
  return decoded.resource;
}

const service = (i: number): Resource =>
  resource('Service', `s${i}`, {
    selector: { app: `s${i}` },
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
  });

const rule = (i: number, services: number, prefix = '/'): Resource =>
  resource('VirtualService', `rule-${i}`, {
    hosts: [i < services ? `s${i}` : `www-${i}.example.com`],
    gateways: ['mesh', 'edge'],
    http: [
      { match: [{ uri: { prefix } }], route: [{ destination: { host: `s${i % services}` } }] },
      { route: [{ destination: { host: `s${i % services}` } }], timeout: '5s' },
    ],
  });

const GATEWAY = resource('Gateway', 'edge', {
  selector: { istio: 'ingressgateway' },
  servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
});

const endpoint = (i: number, services: number, version = 'v1'): WorkloadEndpoint => ({
  ...WHO,
  id: `w${i}`,
  name: `w${i}`,
  workload: `s${i % services}`,
  labels: { app: `s${i % services}`, version },
  services: [`s${i % services}`],
  address: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
  port: 15006,
  appPort: 8080,
});

/** As a shard does the work: in slices, of which the longest counts. CPU of this thread, and by the clock. */
function timed(steps: Steps<unknown>): Figures {
  let [longest, clock, total] = [0, 0, 0];
  for (;;) {
    const start = performance.now();
    const before = process.threadCpuUsage();
    let done: boolean | undefined;
    do ({ done } = steps.next());
    while (done !== true && performance.now() - start < SLICE_MS);
    const { user, system } = process.threadCpuUsage(before);
    const took = (user + system) / 1000;
    longest = Math.max(longest, took);
    clock = Math.max(clock, performance.now() - start);
    total += took;
    if (done === true) return { longest, clock, total };
  }
}

function report(what: string, { longest, clock, total }: Figures): void {
  const ms = (time: number): string => `${time.toFixed(1).padStart(7)} ms`;
  console.log(`${what.padEnd(58)} CPU ${ms(total)}, longest slice ${ms(longest)} (by the clock ${ms(clock)})`);
}

tellUsage('node --expose-gc bench/micro/changes.ts [services] [VirtualServices] [endpoints] [sidecar|scoped|gateway]');
const [services, rules, endpoints] = [2, 3, 4].map((at, i) => Number(process.argv[at] ?? [5_000, 10_000, 50_000][i]));
/** One at a time, so that nothing of the one before is counted: `sidecar`, `scoped`, `gateway`. */
const role = process.argv[5] ?? 'sidecar';
globalThis.gc?.();
const empty = process.memoryUsage().heapUsed;
const plane = planeOf(role === 'gateway' ? 'gateway' : 'sidecar');
let revision = 1;
const apply = (upserts: readonly Resource[]) =>
  timed(plane.applyConfig({ revision: revision++, full: false, upserts, removals: [] }));
const tell = (endpoints: readonly WorkloadEndpoint[]) =>
  timed(plane.changeEndpoints({ upserts: servedBy(endpoints), removals: [] }));
const all = Array.from({ length: endpoints }, (_, i) => endpoint(i, services));
const resources = [
  GATEWAY,
  ...(role === 'scoped' ? [IMPORTS] : []),
  ...Array.from({ length: services }, (_, i) => service(i)),
  ...Array.from({ length: rules }, (_, i) => rule(i, services)),
];
report(`${role}: ${endpoints} endpoints before any service`, tell(all));
report(`${role}: first compile of ${services} services, ${rules} rules`, apply(resources));
for (let i = 0; i < 4; i++) {
  const changed = [rule(7, services, `/changed-${i}`)];
  report(`${role}: one VirtualService`, apply(changed));
}
for (let i = 0; i < 4; i++) report(`${role}: one endpoint`, tell([endpoint(7, services, `v${i}`)]));
const joined = (i: number, name: string) => ({ ...endpoint(endpoints + i, services), services: [name], labels: {} });
for (let i = 0; i < 3; i++) report(`${role}: one service joins by its lease`, tell([joined(i, `joined-${i}`)]));
for (let i = 0; i < 3; i++) report(`${role}: one Service`, apply([service(services + i)]));
const joining = Array.from({ length: 2_000 }, (_, i) => joined(10_000 + i, `new-${i}`));
report(`${role}: 2000 services join at once`, tell(joining));
globalThis.gc?.();
const heap = (process.memoryUsage().heapUsed - empty) / 2 ** 20;
console.log(`${role}: heap ${heap.toFixed(0)} MiB, with what is described here`);
plane.close();
process.exit(0);
