// The dumps and figures in the shapes of Envoy's admin, as text for people and as JSON for tools.

import { hostPort, splitHostPort } from '../host-port.ts';
import type { ClusterDump, EndpointDump, ListenerDump } from '../shard/dump.ts';
import type { ServerInfo, ServerState } from './host.ts';

export function listenersText(listeners: readonly ListenerDump[]): string {
  return listeners.map(({ name, address, port }) => `${name}::${hostPort(address, port)}\n`).join('');
}

export function listenersJson(listeners: readonly ListenerDump[]): unknown {
  return {
    listener_statuses: listeners.map(({ name, address, port, connections }) => ({
      name,
      local_address: socketAddress(address, port),
      active_connections: connections,
    })),
  };
}

/** One fact a line: 'cluster::endpoint::fact::value'. */
export function clustersText(clusters: readonly ClusterDump[], endpoints: readonly EndpointDump[]): string {
  const lines: string[] = [];
  const byCluster = Map.groupBy(endpoints, ({ cluster }) => cluster);
  for (const cluster of clusters) {
    const { name } = cluster;
    lines.push(
      `${name}::observability_name::${name}`,
      `${name}::added_via_api::true`,
      `${name}::rq_active::${cluster.active}`,
      `${name}::rq_total::${cluster.requests}`,
      `${name}::rq_overflow::${cluster.overflows}`,
      `${name}::rq_retry::${cluster.retries}`,
      `${name}::rq_retry_overflow::${cluster.retryOverflows}`,
      `${name}::rq_retry_limit_exceeded::${cluster.retryLimits}`,
    );
    for (const endpoint of byCluster.get(name) ?? []) {
      const start = `${name}::${endpoint.endpoint}::`;
      for (const [fact, , value] of endpointStats(endpoint)) lines.push(`${start}${fact}::${value}`);
      lines.push(`${start}hostname::${endpoint.workload}`, `${start}health_flags::${healthFlags(endpoint)}`);
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

export function clustersJson(clusters: readonly ClusterDump[], endpoints: readonly EndpointDump[]): unknown {
  const byCluster = Map.groupBy(endpoints, ({ cluster }) => cluster);
  return {
    cluster_statuses: clusters.map(({ name }) => ({
      name,
      added_via_api: true,
      observability_name: name,
      host_statuses: (byCluster.get(name) ?? []).map((endpoint) => ({
        address: endpointAddress(endpoint.endpoint),
        stats: endpointStats(endpoint).map(([fact, type, value]) => ({ name: fact, type, value: String(value) })),
        health_status: { eds_health_status: endpoint.status },
        hostname: endpoint.workload,
      })),
    })),
  };
}

export function serverInfoJson(info: ServerInfo, state: ServerState, now: number): unknown {
  const uptime = `${Math.max(0, Math.floor((now - info.startedAt) / 1000))}s`;
  const { node } = info;
  return {
    version: info.version,
    state,
    hot_restart_version: 'disabled',
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    node: {
      id: node.id,
      cluster: `${node.labels.app ?? node.workload}.${node.namespace}`,
      metadata: {
        NAME: node.name,
        NAMESPACE: node.namespace,
        WORKLOAD_NAME: node.workload,
        SERVICE_ACCOUNT: node.serviceAccount,
        LABELS: node.labels,
      },
    },
    shards: info.shards,
    config_revision: info.revision,
    command_line_options: info.options,
  };
}

/** As Envoy's: 64-bit numbers are strings. */
export function memoryJson(): unknown {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return {
    allocated: String(heapUsed),
    heap_size: String(heapTotal),
    total_physical_bytes: String(rss),
    external_bytes: String(external),
    array_buffers_bytes: String(arrayBuffers),
  };
}

/** 'name{labels}: value', a line a figure; of histograms the sum and the count. */
export function statsLines(exposition: string): (readonly [name: string, value: string])[] {
  const stats: (readonly [string, string])[] = [];
  for (const line of exposition.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const space = line.lastIndexOf(' ');
    const name = line.slice(0, space);
    if (!/^[^{]*_bucket\{/.test(name)) stats.push([name, line.slice(space + 1)]);
  }
  return stats;
}

function endpointStats(endpoint: EndpointDump): (readonly [name: string, type: 'GAUGE' | 'COUNTER', value: number])[] {
  return [
    ['cx_active', 'GAUGE', endpoint.connections],
    ['rq_active', 'GAUGE', endpoint.active],
    ['rq_error', 'COUNTER', endpoint.failures],
    ['rq_total', 'COUNTER', endpoint.requests],
  ];
}

function healthFlags({ status }: EndpointDump): string {
  return status.toLowerCase();
}

function endpointAddress(endpoint: string): unknown {
  const { host, port } = splitHostPort(endpoint);
  return socketAddress(host, port);
}

function socketAddress(address: string, port: number): unknown {
  return { socket_address: { address, port_value: port } };
}
