// For path tests: one shard's data plane in this process, with real sockets on loopback, configured from YAML as a proxy
// would be. Whole meshes with control plane and NATS are tested elsewhere.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestOptions,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import { text } from 'node:stream/consumers';
import { freePort } from '../../bench/ports.ts';
import { NO_REMOTE_KEYS, type RemoteKeys } from '../../core/builtins/authn/rules.ts';
import { decodeYaml } from '../../core/config/decode.ts';
import type { Problem } from '../../core/config/resource.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import type { Codecs } from '../../core/http/codec.ts';
import { servedBy } from '../../core/main/endpoints.ts';
import type { DataPlaneEnvironment } from '../../core/shard/context.ts';
import { createDataPlane, type DataPlane } from '../../core/shard/data-plane.ts';
import { createShardMemory } from '../../core/shard/memory.ts';
import type { ModuleSpec } from '../../core/shard/protocol.ts';
import { atOnce } from '../../core/steps.ts';
import type { RecordSink } from '../../core/telemetry/record-sink.ts';
import { FilterThreads } from '../../core/threads/filter-threads.ts';
import type { ListenerSpec } from '../../core/transport/listener-spec.ts';
import { type Metric, Metrics } from '../../core/wasm/shared/metrics.ts';
import { releaseDeadShard } from '../../core/wasm/shared/shared-memory.ts';
import type { Node, Served, WorkloadEndpoint } from '../../core/workload.ts';

export interface Logged {
  readonly code: number;
  readonly flags: number;
  readonly details: string;
  readonly path: string;
  readonly route: string;
  readonly cluster: string;
  readonly upstream: string;
  readonly principal: string;
  readonly source: string;
  readonly attempts: number;
  readonly sent: number;
  readonly received: number;
}

export interface RunningDataPlane {
  readonly plane: DataPlane;
  /** Ports of the listeners by kind. */
  readonly ports: { readonly inbound: number; readonly outbound: number; readonly gateway: number };
  /** Ports on 127.0.0.1 by the upstreams that they lead to. */
  readonly upstreams: Readonly<Record<string, number>>;
  readonly address: string;
  readonly records: Logged[];
  readonly logs: string[];
  /** What filters and the proxy itself have counted. */
  metrics(): readonly Metric[];
  apply(...yaml: string[]): readonly Problem[];
  /** Nothing that was applied is there any more. */
  unconfigure(): void;
  /** Who serves what, all of it, where others have their admin, and who dials, whatever he serves. */
  told(
    endpoints: readonly WorkloadEndpoint[],
    admins?: readonly string[],
    dialling?: readonly WorkloadEndpoint[],
  ): void;
  /** Resolves when this many exchanges have ended. */
  ended(count: number): Promise<void>;
  close(): void;
}

export interface PlaneOptions {
  readonly role?: Node['role'];
  readonly address?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly namespace?: string;
  readonly appPort?: number;
  /** Of a gateway: the port of Gateways' servers that it has, 8080 without. */
  readonly gatewayPort?: number;
  readonly yaml?: readonly string[];
  readonly endpoints?: readonly WorkloadEndpoint[];
  readonly outboundPolicy?: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly maxActiveRequests?: number;
  readonly handshakeTimeoutMs?: number;
  /** Key sets of token issuers; none without it. */
  readonly keys?: RemoteKeys;
  /** How long a filter on a thread of its own may work on one thing. */
  readonly filterThreadDeadlineMs?: number;
  /** Modules that stand where built-ins of these names do. */
  readonly modules?: Readonly<Record<string, Uint8Array>>;
  /** What reads and writes its connections, in place of the proxy's own. */
  readonly codecs?: Codecs;
  /** Told of every exchange before `records` is. */
  readonly sink?: Partial<RecordSink>;
  /** What its application says that it speaks. */
  readonly appProtocol?: string;
  /** Services that it is one of. */
  readonly services?: readonly string[];
  /** Ports of services that are opened for the application. */
  readonly upstreams?: readonly string[];
}

const FILTER_THREADS = 2;
let revision = 0;

export async function startDataPlane(options: PlaneOptions = {}): Promise<RunningDataPlane> {
  const role = options.role ?? 'sidecar';
  const address = options.address ?? '127.0.0.1';
  const labels = options.labels ?? (role === 'gateway' ? { istio: 'ingressgateway' } : {});
  const records: Logged[] = [];
  const logs: string[] = [];
  let waiting: (() => void)[] = [];
  const node: Node = {
    id: `sidecar~${address}~caller.${options.namespace ?? 'default'}~cluster.local`,
    name: 'caller-1',
    workload: 'caller',
    namespace: options.namespace ?? 'default',
    serviceAccount: options.serviceAccount ?? 'default',
    trustDomain: 'cluster.local',
    labels,
    role,
    address: address === '127.0.0.1' ? '' : address,
    app:
      options.appPort === undefined
        ? null
        : { address: '127.0.0.1', port: options.appPort, protocol: options.appProtocol },
    services: options.services ?? [],
    upstreams: options.upstreams,
  };
  const over = (record: ExchangeRecord): void => {
    records.push(logged(record));
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  const shared = createShardMemory(1, FILTER_THREADS);
  // Threads are begun when a filter asks for them.
  const filterThreads = new FilterThreads({
    threads: FILTER_THREADS,
    deadlineMs: options.filterThreadDeadlineMs ?? 1000,
    node,
    shared: shared.guests,
    firstSlot: 1,
    logLevel: () => 'info',
    log: (level, component, message) => logs.push(`${level} ${component} ${message}`),
    restarted: () => undefined,
    died: (slot) => void releaseDeadShard(shared.guests, slot),
  });
  const environment: DataPlaneEnvironment = {
    node,
    shard: 0,
    options: {
      reusePort: false,
      protectedPorts: [],
      logLevel: 'info',
      accessLog: 'off',
      outboundPolicy: options.outboundPolicy ?? 'ALLOW_ANY',
      maxActiveRequests: options.maxActiveRequests ?? 1000,
      seriesExpiryMs: 3_600_000,
      drainTimeoutMs: 5000,
      handshakeTimeoutMs: options.handshakeTimeoutMs ?? 15_000,
      sessionSeed: 'seed',
    },
    modules: builtinModules(options.modules ?? {}),
    shared,
    keys: options.keys ?? NO_REMOTE_KEYS,
    filterThreads: { threads: FILTER_THREADS, connect: (thread, port) => filterThreads.connect(thread, port) },
    sink: {
      exchangeEnded(record, plan) {
        options.sink?.exchangeEnded?.(record, plan);
        over(record);
      },
      connectionOpened: (record, plan) => options.sink?.connectionOpened?.(record, plan),
      connectionMoved: (...moved) => options.sink?.connectionMoved?.(...moved),
      connectionEnded(record, plan) {
        options.sink?.connectionEnded?.(record, plan);
        over(record);
      },
    },
    log: (level, component, message) => logs.push(`${level} ${component} ${message}`),
    pluginRestarted: () => undefined,
  };
  const counted = new Metrics(shared.guests.metrics, 0);
  const plane = createDataPlane(environment, options.codecs);
  const apply = (...yaml: string[]): readonly Problem[] => {
    const decoded = yaml.map((text) => decodeYaml(text));
    const errors = decoded.flatMap(({ problems }) => problems.filter(({ severity }) => severity === 'error'));
    assert.deepEqual(errors, []);
    const upserts = decoded.flatMap(({ resources }) => resources);
    const { ok, problems } = atOnce(plane.applyConfig({ revision: ++revision, full: false, upserts, removals: [] }));
    assert.ok(ok, JSON.stringify(problems));
    return problems;
  };
  let known = new Set<string>();
  const told: RunningDataPlane['told'] = (endpoints, admins = [], dialling = []) => {
    const upserts = [
      ...servedBy(endpoints),
      ...admins.map((admin, i): [string, Served] => [`admin ${i}`, { endpoints: [], admin }]),
      ...dialling.map((each): [string, Served] => [each.id, { endpoints: [], dialling: [each], admin: null }]),
    ];
    const keys = new Set(upserts.map(([key]) => key));
    atOnce(plane.changeEndpoints({ upserts, removals: [...known].filter((key) => !keys.has(key)) }));
    known = keys;
  };
  if (options.endpoints !== undefined) told(options.endpoints);
  apply(...(options.yaml ?? []));
  const { ports, upstreams } = await listen(plane, address, role, options);
  return {
    plane,
    ports,
    upstreams,
    address,
    records,
    logs,
    metrics: () => counted.all(),
    apply,
    unconfigure() {
      atOnce(plane.applyConfig({ revision: ++revision, full: true, upserts: [], removals: [] }));
    },
    told,
    async ended(count) {
      while (records.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    close() {
      plane.close();
      void filterThreads.stop();
    },
  };
}

const LISTEN_ATTEMPTS = 5;

/** On ports that are free: where somebody else took one before it was listened at, on others. */
async function listen(
  plane: DataPlane,
  address: string,
  role: Node['role'],
  options: PlaneOptions,
): Promise<Pick<RunningDataPlane, 'ports' | 'upstreams'>> {
  for (let attempt = 1; ; attempt++) {
    const specs: ListenerSpec[] = [];
    const add = async (kind: ListenerSpec['kind'], configuredPort: number): Promise<number> => {
      const port = await freePort(address);
      specs.push({ name: kind, kind, address, port, configuredPort });
      return port;
    };
    const ports = {
      outbound: role === 'sidecar' ? await add('outbound', 15001) : 0,
      inbound: options.appPort === undefined ? 0 : await add('inbound', 15006),
      gateway: role === 'gateway' ? await add('gateway', options.gatewayPort ?? 8080) : 0,
    };
    const upstreams: Record<string, number> = {};
    for (const upstream of options.upstreams ?? []) {
      const port = await freePort('127.0.0.1');
      upstreams[upstream] = port;
      specs.push({ name: upstream, kind: 'outbound', address: '127.0.0.1', port, configuredPort: port, upstream });
    }
    try {
      await plane.listen(specs);
      return { ports, upstreams };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === LISTEN_ATTEMPTS) throw error;
    }
  }
}

function logged(record: ExchangeRecord): Logged {
  return {
    code: record.responseCode,
    flags: record.flags,
    details: record.responseCodeDetails,
    path: record.requestHead?.path ?? '',
    route: record.routeName,
    cluster: record.clusterName,
    upstream: record.upstreamHost,
    principal: record.sourcePrincipal,
    source: record.source?.workload ?? '',
    attempts: record.attempts,
    sent: record.bytesSent,
    received: record.bytesReceived,
  };
}

interface ManifestEntry {
  readonly name: string;
  readonly digest: string;
}

/** The built filters, as the main thread would have compiled them. */
function builtinModules(instead: Readonly<Record<string, Uint8Array>>): ModuleSpec[] {
  const folder = new URL('../../asbuild/out/', import.meta.url);
  const manifest = JSON.parse(readFileSync(new URL('manifest.json', folder), 'utf8')) as { filters: ManifestEntry[] };
  return manifest.filters.map(({ name, digest }) => ({
    name,
    digest,
    module: new WebAssembly.Module(instead[name] ?? readFileSync(new URL(`${name}.wasm`, folder))),
  }));
}

/** One request on a connection of its own, and all of its answer. */
export function call(options: RequestOptions, body: string | Buffer = ''): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', agent: false, ...options }, (response) => {
      text(response).then((all) => resolve({ status: response.statusCode!, body: all }), reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** An HTTP application; closes with its connections. */
export async function startApp(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  address = '127.0.0.1',
): Promise<{ port: number; server: Server; close(): Promise<void> }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** An upstream that speaks bytes: for what no HTTP library would send. */
export async function startTcp(
  onConnection: (socket: Socket) => void,
): Promise<{ port: number; server: TcpServer; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => sockets.delete(socket));
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Sends bytes and returns everything that came back until the peer closed, or until `until` is seen. */
export function exchangeBytes(
  port: number,
  bytes: string | Buffer,
  until?: string,
  address = '127.0.0.1',
): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, address);
    socket.setTimeout(10_000, () => socket.destroy(new Error(`nothing came for 10 s; so far: ${received}`)));
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (until !== undefined && received.includes(until)) socket.destroy();
    });
    socket.on('close', () => resolve(received));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(received) : reject(error),
    );
    socket.write(bytes);
  });
}

/** A ServiceEntry that leads to local ports, or with none to nobody. */
export function serviceEntry(host: string, ...ports: number[]): string {
  return JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: host.replaceAll('.', '-') },
    spec: {
      hosts: [host],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      ...(ports.length === 0
        ? { workloadSelector: { labels: { app: 'nobody' } } }
        : { endpoints: ports.map((port) => ({ address: '127.0.0.1', ports: { http: port } })) }),
    },
  });
}
