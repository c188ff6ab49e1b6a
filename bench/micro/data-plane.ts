// Between the codec and the upstream: choosing a route, picking an endpoint, counting what was answered.

import { PASSTHROUGH_RETRIES } from '../../core/builtins/retry/policy.ts';
import { Cluster, type ClusterSpec, DEFAULT_POLICY } from '../../core/cluster/cluster.ts';
import { Endpoint } from '../../core/cluster/endpoint.ts';
import { EMPTY_CHAIN } from '../../core/exchange/filter-chain.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import { Head } from '../../core/http/head.ts';
import { compileMatch } from '../../core/router/match.ts';
import { plainRoute } from '../../core/router/plain-route.ts';
import type { VirtualHost } from '../../core/router/route.ts';
import { findRoute } from '../../core/router/route-index.ts';
import { Metrics } from '../../core/telemetry/metrics.ts';
import { STATISTICS_BYTES } from '../../core/telemetry/statistics.ts';
import { Timers } from '../../core/timers.ts';
import type { Subject } from './subject.ts';

const WORKLOAD = {
  name: 'reviews-v1',
  workload: 'reviews-v1',
  namespace: 'default',
  serviceAccount: 'bookinfo-reviews',
  trustDomain: 'cluster.local',
  labels: { app: 'reviews', version: 'v1' },
};

export function dataPlaneSubjects(): readonly Subject[] {
  return [route(10, 0.9), route(10_000, 0.85), pick(), statistics()];
}

/** The last of so many path prefixes. */
function route(count: number, budget: number): Subject {
  const routes = Array.from({ length: count }, (_, i) => ({
    ...plainRoute({
      name: `route-${i}`,
      cluster: null,
      clusterName: '',
      chain: EMPTY_CHAIN,
      retry: PASSTHROUGH_RETRIES,
    }),
    matches: [compileMatch({ uri: { prefix: `/route-${i}/` } })],
  }));
  const host: VirtualHost = {
    name: 'any',
    domains: ['*'],
    service: '',
    port: 0,
    routes,
    asNamed: false,
    grpcWeb: false,
    unrouted: null,
  };
  const path = `/route-${count - 1}/reviews/0`;
  const head = new Head(Buffer.from(path, 'latin1'));
  head.pathLength = path.length;
  const matched = { covered: 0, claims: null };
  return {
    name: `route, the last of ${count}`,
    budget,
    run(times) {
      for (let i = 0; i < times; i++) if (findRoute(host, head, matched) === null) throw new Error('no route');
    },
  };
}

function pick(): Subject {
  const timers = new Timers(1000);
  timers.stop();
  const spec: ClusterSpec = {
    ...{ name: 'c', kind: 'outbound', service: 's', port: 80, subset: '', labels: {}, dns: [], tls: null, rule: '' },
    policy: DEFAULT_POLICY,
  };
  const cluster = new Cluster(spec, Math.random);
  cluster.setEndpoints(
    Array.from(
      { length: 10 },
      (_, i) => new Endpoint({ timers, expectedStreams: () => 1, dial: () => () => {} }, `127.0.0.${i + 2}`, 80),
    ),
  );
  return {
    name: 'admit to one of 10 endpoints by least request',
    budget: 0.1,
    run(times) {
      for (let i = 0; i < times; i++) {
        const admission = cluster.admit();
        if (admission.enter(null) === null) throw new Error('nobody to pick');
        admission.succeeded();
      }
    },
  };
}

function statistics(): Subject {
  const metrics = new Metrics({
    ...{ statistics: new SharedArrayBuffer(STATISTICS_BYTES), node: WORKLOAD, known: [] },
    announce() {},
    retire() {},
    overflowed() {},
  });
  const record = {
    ...{ direction: 'inbound', protocol: 'HTTP/1.1', source: WORKLOAD, destination: WORKLOAD },
    ...{ sourcePrincipal: 'cluster.local/ns/default/sa/bookinfo-productpage', flags: 0, responseCode: 200 },
    ...{ destinationService: 'reviews.default.svc.cluster.local', destinationPort: 9080 },
    ...{ durationMs: 1.5, bytesReceived: 0, bytesSent: 300, responseCodeDetails: 'via_upstream' },
    requestHead: Head.request('GET', 'reviews:9080', '/'),
    responseHead: Head.response(200),
    responseTrailers: null,
    messages: null,
    connection: { tls: null },
  } as unknown as ExchangeRecord;
  return {
    name: 'statistics of one exchange',
    budget: 0.12,
    run(times) {
      for (let i = 0; i < times; i++) metrics.exchangeEnded(record);
    },
  };
}
