// The facts of one exchange that access log, metrics, properties and explanations read. The exchange implements it;
// nobody but the exchange writes it. Types only.

import type { Head } from '../http/head.ts';
import type { ConnectionFacts, TlsFacts } from '../transport/transport.ts';
import type { Workload } from '../workload.ts';

export interface ExchangeRecord {
  readonly direction: 'inbound' | 'outbound' | 'gateway';
  readonly connection: ConnectionFacts;
  readonly protocol: string;
  /** Milliseconds since the epoch at which the head arrived. */
  readonly startTime: number;
  /** Milliseconds from the head's arrival; -1 until it happened. */
  readonly requestEndMs: number;
  readonly responseStartMs: number;
  readonly durationMs: number;
  /** Milliseconds the upstream took to its response head (`x-envoy-upstream-service-time`), -1 without an upstream. */
  readonly upstreamServiceMs: number;
  /** The request as it is now, and the path it arrived with when a rewrite changed it. Null when it could not be read. */
  readonly requestHead: Head | null;
  readonly originalPath: string | null;
  readonly responseHead: Head | null;
  readonly responseTrailers: Head | null;
  readonly requestId: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Of a gRPC call, from and to its client; null of anything else. */
  readonly messages: {
    readonly received: { readonly count: number };
    readonly sent: { readonly count: number };
  } | null;
  /** Status sent to the client, 0 when it got none. */
  readonly responseCode: number;
  readonly responseCodeDetails: string;
  /** Envoy's response flags, a bit each (errors.ts). */
  readonly flags: number;
  /** As proxy-config shows it, or '' before a virtual host was chosen. */
  readonly virtualHostName: string;
  readonly routeName: string;
  /** 'outbound|9080|v1|reviews.default.svc.cluster.local', or '' before a cluster was chosen. */
  readonly clusterName: string;
  /** How many it has, fit or not; 0 before a cluster was chosen. */
  readonly clusterEndpoints: number;
  /** 'address:port' of the endpoint used last, or ''. */
  readonly upstreamHost: string;
  readonly upstreamLocalAddress: string;
  /** Of the connection to it; null in plain text, and where there is none. */
  readonly upstreamTls: TlsFacts | null;
  readonly upstreamTransportFailure: string;
  /** Why a connection without requests was ended by this proxy; left out: it was not. */
  readonly terminationDetails?: string;
  readonly attempts: number;
  /** The service that the request is for, as a host name: 'reviews.default.svc.cluster.local', or ''. */
  readonly destinationService: string;
  readonly destinationPort: number;
  /** Who called and who answers, when the mesh knows. `source` of an outbound exchange is this proxy's own workload. */
  readonly source: Workload | null;
  readonly destination: Workload | null;
  /** 'cluster.local/ns/default/sa/bookinfo-productpage' (without spiffe://), or '' when there is no proven identity. */
  readonly sourcePrincipal: string;
}

/** What is known of a connection before a request, and of one that has none. */
export type ConnectionRecord = Pick<
  ExchangeRecord,
  'direction' | 'connection' | 'destinationPort' | 'terminationDetails'
>;
