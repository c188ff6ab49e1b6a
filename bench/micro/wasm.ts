// What one passage through a filter costs: open, the request's head, done, through the real host, on a head as the codec
// leaves it. Run it alone: `node bench/micro/wasm.ts`.

import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { compileFilter, type FilterSource } from '../../asbuild/compile.ts';
import { faultConfig } from '../../core/builtins/fault.ts';
import { authorizationConfig } from '../../core/builtins/rbac.ts';
import type { FilterFactory, FilterStream } from '../../core/filter.ts';
import { Head } from '../../core/head.ts';
import type { ExchangeRecord } from '../../core/record.ts';
import { WasmRuntime } from '../../core/wasm/runtime.ts';
import { createSharedMemory } from '../../core/wasm/shared-memory.ts';
import { DEFAULT_LIMITS } from '../../core/wasm/spec.ts';
import type { Node } from '../../core/workload.ts';

const FILTERS = join(import.meta.dirname, '../../filters');
const ROUNDS = 300_000;
const REPEATS = 5;
const EMPTY = new Uint8Array(0);

const REQUEST = [
  'Host: reviews:9080',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0)',
  'Accept: text/html,application/xhtml+xml',
  'Accept-Encoding: gzip, deflate, br',
  'Cookie: session=abcdef0123456789',
  'X-Request-Id: 3a3bbd40-7d3e-4c1f-8f34-5ad4b0b4a1c8',
  'X-Forwarded-For: 127.0.0.1',
  'Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
];

const NODE: Node = {
  id: 'sidecar~bench',
  role: 'sidecar',
  name: 'bench',
  workload: 'bench',
  namespace: 'default',
  serviceAccount: 'bench',
  trustDomain: 'cluster.local',
  labels: {},
  address: '127.0.0.1',
  app: null,
  services: [],
};

/** The head as spans over the bytes that were received. */
function received(): Head {
  const text = REQUEST.join('\r\n');
  const spans: number[] = [];
  let at = 0;
  for (const line of REQUEST) {
    const colon = line.indexOf(':');
    spans.push(at, colon, at + colon + 2, line.length - colon - 2);
    at += line.length + 2;
  }
  // Host is the authority, no field.
  spans[0] = -1;
  const head = new Head(Buffer.from(text, 'latin1'), spans);
  head.method = 'GET';
  head.newPath = '/reviews/0';
  head.newAuthority = 'reviews:9080';
  return head;
}

const head = received();
const record = {
  direction: 'inbound',
  connection: {
    id: 1,
    remoteAddress: '127.1.0.2',
    remotePort: 4000,
    localAddress: '127.1.0.3',
    localPort: 9080,
    memo: null,
  },
  requestHead: head,
  destinationPort: 9080,
  sourcePrincipal: 'cluster.local/ns/default/sa/bookinfo-productpage',
} as unknown as ExchangeRecord;

const stream: FilterStream = {
  record,
  requestHead: head,
  responseHead: null,
  requestTrailers: null,
  responseTrailers: null,
  state: new Map(),
  token: null,
  body: () => null,
  resume: () => undefined,
  pass: () => undefined,
  pauseReading: () => undefined,
  resumeReading: () => undefined,
  close: () => undefined,
  localReply: () => undefined,
  resumeAfter: () => undefined,
  clearRouteCache: () => undefined,
  addFlag: () => undefined,
};

const runtime = new WasmRuntime({ node: NODE, shared: createSharedMemory(1), shard: 0, log: () => undefined });

async function configure(source: FilterSource & { name: string }, configuration: Uint8Array): Promise<FilterFactory> {
  const bytes = await compileFilter(source);
  return runtime.configure({
    name: source.name,
    digest: createHash('sha256').update(bytes).digest('hex'),
    module: new WebAssembly.Module(bytes),
    builtin: true,
    rootId: '',
    vmId: '',
    vmConfiguration: EMPTY,
    configuration,
    env: {},
    failStrategy: 'FAIL_CLOSE',
    limits: DEFAULT_LIMITS,
    isolation: 'inline',
    mayCall: null,
    proven: true,
  });
}

/** Best of several runs, in nanoseconds of CPU a passage through all of the chain. */
function measure(name: string, chain: readonly FilterFactory[], config: Uint8Array | null): void {
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const before = process.cpuUsage();
    for (let i = 0; i < ROUNDS; i++) {
      for (const factory of chain) {
        const filter = factory.open(stream, config);
        filter.requestHead(head, true);
        filter.done();
      }
      head.added.length = 0;
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1000) / ROUNDS);
  }
  process.stdout.write(`${name.padEnd(52)} ${best.toFixed(0).padStart(6)} ns\n`);
}

const one = await configure(
  { name: 'three headers', entry: join(FILTERS, 'sdk/fixtures/three-headers.ts'), runtime: 'stub' },
  EMPTY,
);
const fault = await configure({ name: 'fault', entry: join(FILTERS, 'fault/index.ts'), runtime: 'stub' }, EMPTY);
const policies = [
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'viewer', namespace: 'default' },
    spec: {
      rules: [
        {
          from: [{ source: { principals: ['cluster.local/ns/default/sa/bookinfo-productpage'] } }],
          to: [{ operation: { methods: ['GET'], paths: ['/reviews/*'] } }],
        },
      ],
    },
  },
];
const rbac = await configure(
  { name: 'rbac', entry: join(FILTERS, 'rbac/index.ts'), runtime: 'minimal' },
  authorizationConfig(policies, NODE) ?? EMPTY,
);
const six: FilterFactory[] = [];
for (let i = 0; i < 6; i++) {
  six.push(
    await configure(
      { name: `f${i}`, entry: join(FILTERS, 'sdk/fixtures/three-headers.ts'), runtime: 'stub' },
      Buffer.of(i),
    ),
  );
}

measure('one filter: three headers read, one set', [one], null);
measure('six of them, one instance', six, null);
measure('fault, route without a fault', [fault], null);
measure(
  'fault, 0.0001 % of an abort',
  [fault],
  faultConfig({ abort: { httpStatus: 500, percentage: { value: 0.0001 } } }),
);
measure('rbac: principal, method and path prefix', [rbac], null);
runtime.stop();
