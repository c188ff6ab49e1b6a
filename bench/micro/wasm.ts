// What one passage through a filter costs: open, the request's head, done, through the real host, on a head as the codec
// leaves it.

import { loadBuiltins } from '../../asbuild/manifest.ts';
import { faultConfig } from '../../core/builtins/fault.ts';
import { authorizationConfig } from '../../core/builtins/rbac.ts';
import type { FilterFactory, FilterStream } from '../../core/filter.ts';
import { Head } from '../../core/head.ts';
import type { ExchangeRecord } from '../../core/record.ts';
import { WasmRuntime } from '../../core/wasm/runtime.ts';
import { createSharedMemory } from '../../core/wasm/shared-memory.ts';
import { DEFAULT_LIMITS } from '../../core/wasm/spec.ts';
import type { Node } from '../../core/workload.ts';
import type { Subject } from './subject.ts';

const EMPTY = new Uint8Array(0);

export const REQUEST: readonly string[] = [
  'Host: reviews:9080',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0)',
  'Accept: text/html,application/xhtml+xml',
  'Accept-Encoding: gzip, deflate, br',
  'Cookie: session=abcdef0123456789',
  'X-Request-Id: 3a3bbd40-7d3e-4c1f-8f34-5ad4b0b4a1c8',
  'X-Forwarded-For: 127.0.0.1',
  'Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
];

const POLICIES = [
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

export const NODE: Node = {
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
export function received(): Head {
  return headOf(REQUEST);
}

/** Of lines of which the first is Host's. */
export function headOf(lines: readonly string[]): Head {
  const text = lines.join('\r\n');
  const spans: number[] = [];
  let at = 0;
  for (const line of lines) {
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
export const record = {
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

/** Built-in filters as they were built, in a runtime that `stop` ends. */
export async function filterSubjects(): Promise<{ subjects: readonly Subject[]; stop: () => void }> {
  const runtime = new WasmRuntime({ node: NODE, shared: createSharedMemory(1), shard: 0, log: () => undefined });
  const modules = new Map(loadBuiltins().map((module) => [module.name, module]));
  const configure = async (name: string, configuration: Uint8Array): Promise<FilterFactory> => {
    const { digest, bytes } = modules.get(name)!;
    return runtime.configure({
      ...{ name, digest, module: await WebAssembly.compile(bytes), builtin: true, rootId: '', vmId: '' },
      ...{ vmConfiguration: EMPTY, configuration, env: {}, failStrategy: 'FAIL_CLOSE', limits: DEFAULT_LIMITS },
      ...{ mayCall: null, proven: true, isolation: 'inline' },
    });
  };
  const fault = await configure('fault', EMPTY);
  const abort = faultConfig({ abort: { httpStatus: 500, percentage: { value: 0.0001 } } });
  const rbac = await configure('rbac', authorizationConfig(POLICIES, NODE) ?? EMPTY);
  const subjects = [
    passage('filter call: fault, one abort in a million', 1, fault, abort),
    passage('filter call: rbac, principal, method and path', 2.8, rbac, null),
  ];
  return { subjects, stop: () => runtime.stop() };
}

/** Opened, asked about a request, told of the end. */
function passage(name: string, budget: number, factory: FilterFactory, config: Uint8Array | null): Subject {
  return {
    name,
    budget,
    run(times) {
      let refused = 0;
      for (let i = 0; i < times; i++) {
        const filter = factory.open(stream, config);
        if (filter.requestHead(head, true) !== 'continue') refused++;
        filter.done();
        head.added.length = 0;
      }
      // One in a million is by chance.
      if (refused > 1 + times / 1000) throw new Error(`${name} let ${refused} of ${times} not pass`);
    },
  };
}
