// Istio's label values of one exchange, as the metrics name it. Runs once for a label set, never per request.

import { OF_PEERS, type PeersRecord } from '../attributes.ts';
import { flagNames } from '../errors.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import type { Workload } from '../workload.ts';
import { HTTP_LABELS, TCP_LABELS } from './statistics.ts';

export const UNKNOWN = 'unknown';
const MAX_LABEL = 253;

type End = 'source' | 'destination';
type PeersName = {
  [N in keyof typeof OF_PEERS]: (typeof OF_PEERS)[N]['type'] extends 'string' ? N : never;
}[keyof typeof OF_PEERS];

/** For what does not fit into the table any more. */
export const OTHER: readonly string[] = HTTP_LABELS.map(() => 'other');

/**
 * In the order of HTTP_LABELS. `source` and `service` are those that the metrics count under, which need not be the
 * record's; `grpcStatus` is -1 for a request that is not gRPC.
 */
export function httpLabels(
  record: ExchangeRecord,
  source: Workload | null,
  service: string,
  grpcStatus: number,
): readonly string[] {
  const { destination } = record;
  const peers: PeersRecord = { source, destination, destinationService: service };
  const of = (name: PeersName): string => labelValue(OF_PEERS[name].read(peers));
  const inbound = record.direction === 'inbound';
  const [serviceName, serviceNamespace] = serviceParts(service, of('destination.workload.namespace'));
  const passthrough = service === PASSTHROUGH;
  return [
    inbound ? 'destination' : 'source',
    of('source.workload.name'),
    canonical('source', peers, of('source.workload.name')),
    revision('source', peers),
    of('source.workload.namespace'),
    source === record.source && record.sourcePrincipal !== ''
      ? labelValue(`spiffe://${record.sourcePrincipal}`)
      : principal(source),
    of('downstream_peer.app'),
    of('downstream_peer.version'),
    UNKNOWN,
    of('destination.workload.name'),
    of('destination.workload.namespace'),
    principal(destination),
    of('upstream_peer.app'),
    of('upstream_peer.version'),
    passthrough ? UNKNOWN : of('destination.service.host'),
    canonical('destination', peers, of('destination.workload.name')),
    revision('destination', peers),
    serviceName,
    serviceNamespace,
    UNKNOWN,
    grpcStatus < 0 ? 'http' : 'grpc',
    String(record.responseCode),
    grpcStatus < 0 ? '' : String(grpcStatus),
    flagNames(record.flags),
    inbound ? (record.connection.tls === null ? 'none' : 'mutual_tls') : UNKNOWN,
  ];
}

/** The same of a connection without requests, in the order of TCP_LABELS. */
export function tcpLabels(record: ExchangeRecord, source: Workload | null, service: string): readonly string[] {
  const values = httpLabels(record, source, service, -1);
  return TCP_LABELS.map((name) => (name === 'request_protocol' ? 'tcp' : values[AT[name]]));
}

const AT: Readonly<Record<string, number>> = Object.fromEntries(HTTP_LABELS.map((name, i) => [name, i]));

/** The cluster of hosts that the mesh does not know; their names are no label, anybody may make up any number of them. */
export const PASSTHROUGH = 'PassthroughCluster';

const CLUSTER_LOCAL = /^([^.]+)\.([^.]+)\.svc\./;

/** Name and namespace. */
function serviceParts(service: string, namespace: string): readonly [string, string] {
  const match = CLUSTER_LOCAL.exec(service);
  return match === null ? [labelValue(service), namespace] : [labelValue(match[1]), labelValue(match[2])];
}

const SERVICE_LABELS = ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app'];
const REVISION_LABELS = ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version'];

function canonical(end: End, peers: PeersRecord, workload: string): string {
  return firstLabel(end, SERVICE_LABELS, peers) ?? workload;
}

function revision(end: End, peers: PeersRecord): string {
  return firstLabel(end, REVISION_LABELS, peers) ?? 'latest';
}

function firstLabel(end: End, keys: readonly string[], peers: PeersRecord): string | null {
  for (const key of keys) {
    const value = OF_PEERS[`${end}.labels`].entry(key)(peers);
    if (value !== undefined) return labelValue(value);
  }
  return null;
}

/** Whom the registry says that it runs as; '' for whoever is known by hearsay only. */
function principal(workload: Workload | null): string {
  if (workload === null || workload.serviceAccount === '') return UNKNOWN;
  return labelValue(`spiffe://${workload.trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`);
}

/** As a label holds it: never empty, never long. */
export function labelValue(value: string | undefined): string {
  if (value === undefined || value === '') return UNKNOWN;
  return value.length > MAX_LABEL ? value.slice(0, MAX_LABEL) : value;
}
