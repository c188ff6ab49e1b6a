// An admin server over a proxy of two shards whose answers are given, and requests to it that say what they like in Host.

import { type IncomingHttpHeaders, request } from 'node:http';
import type { TestContext } from 'node:test';
import type { AdminHost, ServerState } from '../../../core/admin/server.ts';
import { startAdmin } from '../../../core/admin/server.ts';
import { http2Counts } from '../../../core/http2/limits.ts';
import type { ClusterDump, EndpointDump, ListenerDump, RouteDump } from '../../../core/shard/dump.ts';
import type { DumpKind, LogLevel } from '../../../core/shard/protocol.ts';

export const CLUSTER = 'outbound|9080||reviews.default.svc.cluster.local';

const cluster = (requests: number): ClusterDump => ({
  name: CLUSTER,
  kind: 'outbound',
  service: 'reviews.default.svc.cluster.local',
  port: 9080,
  subset: '',
  type: 'EDS',
  destinationRule: 'reviews.default',
  endpoints: 1,
  active: 1,
  requests,
  overflows: 0,
  retries: 0,
  retryOverflows: 0,
  retryLimits: 0,
});

const endpoint = (requests: number): EndpointDump => ({
  endpoint: '127.1.0.2:9080',
  status: 'HEALTHY',
  cluster: CLUSTER,
  workload: 'reviews-v1-1',
  active: 1,
  requests,
  failures: 1,
  connections: 2,
});

const LISTENER: ListenerDump = {
  name: 'outbound',
  kind: 'outbound',
  address: '127.0.0.1',
  port: 15001,
  configuredPort: 15001,
  connections: 3,
  mtls: 'DISABLE',
  ...{ handshakes: 2, handshakesFailed: 1, plainRefused: 0, proxyRefused: 0, misdeclared: 1, misdeclaredAt: 5 },
};

export const ROUTE: RouteDump = {
  listener: 'outbound',
  virtualHost: 'reviews',
  domains: ['reviews'],
  route: 'default',
  match: '*',
  virtualService: 'default/reviews',
  action: CLUSTER,
  filters: [],
};

const FILTERS = [
  { name: 'login', configuration: { clientSecret: 'hunter3', tokens: 3, keys: [{ api_key: 'hunter4' }] } },
];

export class FakeProxy implements AdminHost {
  now: { state: ServerState; reason: string } = { state: 'LIVE', reason: '' };
  level: LogLevel = 'info';
  readonly calls: string[] = [];
  dumps: { [K in DumpKind]: readonly unknown[] } = {
    listeners: [[LISTENER], [{ ...LISTENER, connections: 1 }]],
    routes: [[ROUTE], [ROUTE]],
    clusters: [[cluster(10)], [cluster(5)]],
    endpoints: [[endpoint(10)], [endpoint(5)]],
    filters: [FILTERS, FILTERS],
    http2: [http2Counts, http2Counts],
    snapshot: [{ revision: 4 }, { revision: 4 }],
  };
  /** How often secrets were asked for again. */
  looked = 0;
  figures =
    '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1 2"} 3\nb 0\nh_bucket{le="1"} 1\nh_sum 2\nh_count 1\n';

  state() {
    return this.now;
  }
  async dump(kind: DumpKind) {
    return this.dumps[kind];
  }
  async lookForSecrets() {
    this.looked++;
  }
  secrets() {
    const [notBefore, notAfter] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];
    const [name, type, status] = ['default', 'Cert Chain', 'ACTIVE'] as const;
    const identity = 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage';
    const fingerprint = 'ab'.repeat(32);
    return [{ name, type, status, valid: true, serialNumber: '0A', notBefore, notAfter, identity, fingerprint }];
  }
  serverInfo() {
    return {
      version: '0.1.0',
      startedAt: Date.now() - 65_000,
      node: {
        id: 'sidecar~127.1.0.1~productpage-v1-1.default~default.svc.cluster.local',
        name: 'productpage-v1-1',
        workload: 'productpage-v1',
        namespace: 'default',
        serviceAccount: 'bookinfo-productpage',
        trustDomain: 'cluster.local',
        labels: { app: 'productpage', version: 'v1' },
        role: 'sidecar' as const,
        address: '127.1.0.1',
        app: { address: '127.1.0.1', port: 9080 },
        services: ['productpage'],
      },
      shards: 2,
      revision: 4,
      options: { drainTimeoutMs: 5000, nats: { url: 'nats://127.0.0.1:4222', password: 'hunter2' } },
    };
  }
  async prometheus() {
    return this.figures;
  }
  logLevel(level?: LogLevel) {
    this.level = level ?? this.level;
    return this.level;
  }
  drain() {
    this.calls.push('drain');
  }
  quit() {
    this.calls.push('quit');
  }
  healthcheck(fail: boolean) {
    this.calls.push(fail ? 'fail' : 'ok');
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export async function startRig(t: TestContext, address = '127.0.0.1') {
  const proxy = new FakeProxy();
  const admin = await startAdmin({ address, port: 0, host: proxy });
  t.after(() => admin.close());
  const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Reply> => {
    return new Promise((resolve, reject) => {
      const url = new URL(admin.url);
      const host = url.hostname.replace(/^\[|\]$/g, '');
      const outgoing = request({ method, host, port: url.port, path, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  };
  return { proxy, admin, ask, get: (path: string, headers?: Record<string, string>) => ask('GET', path, headers) };
}
