// Istio's label values of one exchange, as the metrics name it. Runs once for a label set, never per request.

import { flagNames } from '../errors.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import type { Workload } from '../workload.ts';
import { HTTP_LABELS } from './statistics.ts';

export const UNKNOWN = 'unknown';
const MAX_LABEL = 253;

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
  const inbound = record.direction === 'inbound';
  const [serviceName, serviceNamespace] = serviceParts(service, destination);
  const passthrough = service === PASSTHROUGH;
  return [
    inbound ? 'destination' : 'source',
    labelValue(source?.workload),
    canonicalService(source),
    canonicalRevision(source),
    labelValue(source?.namespace),
    source === record.source && record.sourcePrincipal !== ''
      ? labelValue(`spiffe://${record.sourcePrincipal}`)
      : principal(source),
    labelValue(source?.labels.app),
    labelValue(source?.labels.version),
    UNKNOWN,
    labelValue(destination?.workload),
    labelValue(destination?.namespace),
    principal(destination),
    labelValue(destination?.labels.app),
    labelValue(destination?.labels.version),
    passthrough ? UNKNOWN : labelValue(service),
    canonicalService(destination),
    canonicalRevision(destination),
    serviceName,
    serviceNamespace,
    UNKNOWN,
    grpcStatus < 0 ? 'http' : 'grpc',
    String(record.responseCode),
    grpcStatus < 0 ? '' : String(grpcStatus),
    flagNames(record.flags),
    inbound ? 'none' : UNKNOWN,
  ];
}

/** The cluster of hosts that the mesh does not know; their names are no label, anybody may make up any number of them. */
export const PASSTHROUGH = 'PassthroughCluster';

const CLUSTER_LOCAL = /^([^.]+)\.([^.]+)\.svc\./;

/** Name and namespace. */
function serviceParts(service: string, destination: Workload | null): readonly [string, string] {
  const match = CLUSTER_LOCAL.exec(service);
  if (match !== null) return [labelValue(match[1]), labelValue(match[2])];
  return [labelValue(service), labelValue(destination?.namespace)];
}

function canonicalService(workload: Workload | null): string {
  if (workload === null) return UNKNOWN;
  const { labels } = workload;
  return labelValue(
    labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? workload.workload,
  );
}

function canonicalRevision(workload: Workload | null): string {
  const labels = workload?.labels;
  return labelValue(
    labels?.['service.istio.io/canonical-revision'] ??
      labels?.['app.kubernetes.io/version'] ??
      labels?.version ??
      'latest',
  );
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
