// What a whole proxy takes up in a large mesh: a program of its own that runs from files, with one shard. Resident memory at its most and
// at rest, and how long until it serves. `node bench/micro/large-mesh.ts [services] [VirtualServices] [sidecar|scoped|gateway]`, scoped:
// a sidecar that imports two services.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startProxy } from '../../core/main.ts';
import { giveBackSpareHeap } from '../../core/shard/spare-heap.ts';
import type { Node } from '../../core/workload.ts';
import { tellUsage } from '../../scripts/usage.ts';

const PER_FILE = 500;
/** After which it is at rest: what a start left behind is collected by then. */
const REST_MS = 30_000;

tellUsage('node bench/micro/large-mesh.ts [services] [VirtualServices] [sidecar|scoped|gateway]');
const [services, rules] = [2, 3].map((at, i) => Number(process.argv[at] ?? [5_000, 10_000][i]));
const who = process.argv[4] ?? 'scoped';
const role: Node['role'] = who === 'gateway' ? 'gateway' : 'sidecar';

const resource = (kind: string, name: string, spec: object): object => ({
  apiVersion: kind === 'Service' ? 'v1' : 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});
const imports = { egress: [{ hosts: ['./s1.default.svc.cluster.local', './s2.default.svc.cluster.local'] }] };
const port = { number: 8080, name: 'http', protocol: 'HTTP' };
const resources = [
  resource('Gateway', 'edge', { selector: { istio: 'ingressgateway' }, servers: [{ port, hosts: ['*'] }] }),
  ...(who === 'scoped' ? [resource('Sidecar', 'two', imports)] : []),
  ...Array.from({ length: services }, (_, i) =>
    resource('Service', `s${i}`, {
      selector: { app: `s${i}` },
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    }),
  ),
  ...Array.from({ length: rules }, (_, i) => {
    const route = [{ destination: { host: `s${i % services}` } }];
    return resource('VirtualService', `rule-${i}`, {
      hosts: [i < services ? `s${i}` : `www-${i}.example.com`],
      gateways: ['mesh', 'edge'],
      http: [
        { match: [{ uri: { prefix: '/a' } }], route },
        { route, timeout: '5s' },
      ],
    });
  }),
];
const home = mkdtempSync(join(tmpdir(), 'weft-large-mesh-'));
try {
  const dir = join(home, 'config');
  mkdirSync(dir);
  for (let file = 0; resources.length > 0; file++) {
    const texts = resources.splice(0, PER_FILE).map((each) => JSON.stringify(each));
    writeFileSync(join(dir, `${file}.yaml`), texts.join('\n---\n'));
  }
  const started = performance.now();
  const proxy = await startProxy({
    node: {
      id: who,
      name: who,
      workload: who,
      namespace: 'default',
      serviceAccount: 'default',
      trustDomain: 'cluster.local',
      labels: role === 'gateway' ? { istio: 'ingressgateway' } : { app: 'caller' },
      role,
      address: '',
      app: null,
      services: [],
    },
    source: { kind: 'files', dir },
    shards: 1,
    admin: null,
    listeners: role === 'gateway' ? {} : { outbound: { address: '127.0.0.1', port: 0 } },
    gatewayPorts: { 8080: 0 },
    accessLog: { format: 'off' },
    logLevel: 'error',
  });
  await proxy.ready;
  const ms = performance.now() - started;
  giveBackSpareHeap();
  await delay(REST_MS);
  console.log(
    `${who}: serves after ${Math.round(ms)} ms; resident ${mib('VmRSS')} MiB at rest, ${mib('VmHWM')} at the most`,
  );
  await proxy.close();
} finally {
  rmSync(home, { recursive: true, force: true });
}
process.exit(0);

/** Of this program, as Linux counts it. */
function mib(what: string): number {
  const line = readFileSync('/proc/self/status', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${what}:`));
  return Math.round(Number(/\d+/.exec(line ?? '')?.[0]) / 1024);
}
