// An exchange as telemetry sees it, for tests: productpage asked reviews, and all went well.

import type { ExchangeRecord } from '../../../core/exchange/record.ts';
import { Head } from '../../../core/http/head.ts';
import type { Workload } from '../../../core/workload.ts';

export function workload(name: string, over: Partial<Workload> = {}): Workload {
  const [app, version = 'v1'] = name.split('-');
  return {
    name: `${name}-1`,
    workload: name,
    namespace: 'default',
    serviceAccount: `bookinfo-${app}`,
    trustDomain: 'cluster.local',
    labels: { app, version },
    ...over,
  };
}

export const PRODUCTPAGE = workload('productpage-v1');
export const REVIEWS = workload('reviews-v2');

export function exchange(over: Partial<ExchangeRecord> = {}): ExchangeRecord {
  return {
    direction: 'outbound',
    connection: {
      id: 7,
      remoteAddress: '127.0.0.1',
      remotePort: 40000,
      localAddress: '127.0.0.1',
      localPort: 15001,
      tls: null,
    },
    protocol: 'HTTP/1.1',
    startTime: Date.UTC(2026, 0, 31, 9, 5, 7, 42),
    requestEndMs: 0.4,
    responseStartMs: 11.2,
    durationMs: 12.9,
    upstreamServiceMs: 11,
    requestHead: Head.request('GET', 'reviews:9080', '/reviews/0', [
      ['user-agent', 'node'],
      ['x-request-id', 'c6ae0f5b'],
    ]),
    originalPath: null,
    responseHead: Head.response(200, [['x-envoy-upstream-service-time', '11']]),
    responseTrailers: null,
    requestId: 'c6ae0f5b',
    bytesReceived: 0,
    bytesSent: 375,
    messages: null,
    responseCode: 200,
    responseCodeDetails: 'via_upstream',
    flags: 0,
    virtualHostName: 'reviews.default.svc.cluster.local:9080',
    routeName: 'default',
    clusterName: 'outbound|9080|v2|reviews.default.svc.cluster.local',
    clusterEndpoints: 3,
    upstreamHost: '127.1.0.2:9080',
    upstreamLocalAddress: '127.1.0.1:51000',
    upstreamTls: null,
    upstreamTransportFailure: '',
    attempts: 1,
    destinationService: 'reviews.default.svc.cluster.local',
    destinationPort: 9080,
    source: PRODUCTPAGE,
    destination: REVIEWS,
    sourcePrincipal: 'cluster.local/ns/default/sa/bookinfo-productpage',
    ...over,
  };
}
