// What a proxy's admin tells of its data plane, in the columns of `istioctl proxy-config`.

import type { ProxyFilterDump } from '../core/admin/dumps.ts';
import type { SecretDump } from '../core/admin/host.ts';
import type { ClusterDump, EndpointDump, ListenerDump, RouteDump } from '../core/shard/dump.ts';
import { type Admin, askAdmin } from './admin.ts';
import { CliError } from './exit.ts';
import { table } from './output.ts';

export type DumpTable = 'listeners' | 'routes' | 'clusters' | 'endpoints' | 'secrets' | 'filters';

/** What its shards have, with the sums of what they count. */
export async function readDump(admin: Admin, what: DumpTable): Promise<readonly unknown[]> {
  const dump = (await askAdmin(admin, `/config_dump?resource=${what}`)) as Readonly<Record<string, unknown>>;
  const rows = dump[what];
  if (!Array.isArray(rows)) throw new CliError(`proxy ${admin.name} tells nothing of ${what}`);
  return rows;
}

export function asTable(what: DumpTable, rows: readonly unknown[]): string {
  if (rows.length === 0) return `no ${what}`;
  switch (what) {
    case 'listeners':
      return listeners(rows as readonly ListenerDump[]);
    case 'routes':
      return routes(rows as readonly RouteDump[]);
    case 'clusters':
      return clusters(rows as readonly ClusterDump[]);
    case 'endpoints':
      return endpoints(rows as readonly EndpointDump[]);
    case 'secrets':
      return secrets(rows as readonly SecretDump[]);
    case 'filters':
      return filters(rows as readonly ProxyFilterDump[]);
  }
}

function listeners(rows: readonly ListenerDump[]): string {
  const about = { inbound: 'the application', outbound: 'by host', gateway: 'by Gateway' } as const;
  // As istioctl has them; where somebody spoke what is not declared, that is told.
  const wrong = rows.some(({ misdeclared }) => misdeclared > 0);
  return table(
    ['ADDRESSES', 'PORT', 'MATCH', 'DESTINATION', ...(wrong ? ['MISDECLARED', 'LAST'] : [])],
    rows.map(({ address, port, kind, configuredPort, misdeclared, misdeclaredAt }) => [
      address,
      String(port),
      configuredPort === port || configuredPort === 0 ? 'ALL' : `Gateway port ${configuredPort}`,
      `${kind}: ${about[kind as keyof typeof about] ?? kind}`,
      ...(wrong ? [String(misdeclared), misdeclared === 0 ? '-' : new Date(misdeclaredAt).toISOString()] : []),
    ]),
  );
}

function routes(rows: readonly RouteDump[]): string {
  return table(
    ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE', 'TO'],
    rows.map(({ listener, virtualHost, domains, match, virtualService, action }) => [
      listener,
      virtualHost,
      briefly(domains),
      match,
      // Istio writes name.namespace.
      virtualService.split('/').reverse().join('.'),
      action,
    ]),
  );
}

/** As Istio does it: the short names, and how many more there are. */
function briefly(domains: readonly string[]): string {
  const sorted = [...domains].sort((a, b) => a.length - b.length);
  return sorted.length > 2 ? `${sorted.slice(0, 2).join(', ')} + ${sorted.length - 2} more...` : sorted.join(', ');
}

function clusters(rows: readonly ClusterDump[]): string {
  return table(
    ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'],
    rows.map(({ service, port, subset, kind, name, type, destinationRule }) => [
      service || name,
      String(port),
      subset || '-',
      kind,
      type,
      destinationRule || '-',
    ]),
  );
}

function endpoints(rows: readonly EndpointDump[]): string {
  return table(
    ['ENDPOINT', 'STATUS', 'CLUSTER', 'WORKLOAD', 'ACTIVE', 'REQUESTS', 'FAILURES'],
    rows.map(({ endpoint, status, cluster, workload, active, requests, failures }) => [
      endpoint,
      status,
      cluster,
      workload || '-',
      String(active),
      String(requests),
      String(failures),
    ]),
  );
}

function secrets(rows: readonly SecretDump[]): string {
  // As istioctl writes them: to the second.
  const time = (iso: string): string => iso.replace(/\.\d+Z$/, 'Z');
  return table(
    ['RESOURCE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE', 'IDENTITY'],
    rows.map(({ name, type, status, valid, serialNumber, notAfter, notBefore, identity }) => [
      ...[name, type, status, String(valid), serialNumber.toLowerCase()],
      ...[time(notAfter), time(notBefore), identity],
    ]),
  );
}

function filters(rows: readonly ProxyFilterDump[]): string {
  return table(
    ['FILTER', 'CHAIN', 'STATUS', 'INSTANCES', 'STREAMS', 'RESTARTS', 'MEMORY', 'PER CALL', 'DIGEST', 'CONFIG'],
    rows.map((row) => [
      row.name,
      row.chains.join(',') || '-',
      row.missing ? 'MISSING' : row.broken ? 'BROKEN' : row.running ? 'RUNNING' : 'STOPPED',
      String(row.instances),
      String(row.streams),
      String(row.restarts),
      `${Math.ceil(row.memoryBytes / 1024)} KiB`,
      row.meanMicros === null ? '-' : `${row.meanMicros.toFixed(1)} µs`,
      row.digest.replace('sha256:', '').slice(0, 12) || '-',
      row.configuration || '-',
    ]),
  );
}
