// The two hosts: a proxy with one filter, or with none, in front of an upstream.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Child, Children } from '../children.ts';
import { edge, resource } from '../edge.ts';
import { envoyCommand } from '../peers/envoy.ts';
import { freePort } from '../ports.ts';
import type { Subject } from './subjects.ts';

const ROOT = join(import.meta.dirname, '../..');
const START_MS = 120_000;
const HOST_NAME = /^[a-z0-9.-]+$/;
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/** Where a proxy finds the others. */
export interface Around {
  readonly upstream: number;
  /** Stands for every service that the filter calls. */
  readonly callee: number;
}

/** Starts a proxy; `folder` is its own. */
export type Start = (
  children: Children,
  folder: string,
  around: Around,
  subject: Subject | null,
) => Promise<RunningProxy>;

export interface RunningProxy {
  readonly port: number;
  /** It ended instead of serving. */
  readonly refused: boolean;
  /** What its filter has logged so far. */
  said(): string[];
  /** Its figures, in the text form of Prometheus. */
  figures(): Promise<string>;
  stop(): Promise<void>;
}

export const startEnvoy: Start = async (children, folder, around, subject) => {
  const [port, admin] = [await freePort(), await freePort()];
  mkdirSync(folder);
  const configuration = envoyConfiguration(folder, { port, admin }, around, subject);
  writeFileSync(join(folder, 'envoy.json'), JSON.stringify(configuration));
  const [program, args] = envoyCommand(join(folder, 'envoy.json'));
  const child = children.start(program, [...args, '--component-log-level', 'wasm:trace'], {}, 1 << 20);
  return running(children, child, { port, admin }, /\[wasm\] .*wasm log[^:]*: (.*)$/gm);
};

export const startWeft: Start = async (children, folder, around, subject) => {
  const [port, admin] = [await freePort(), await freePort()];
  mkdirSync(folder);
  writeFileSync(join(folder, 'proxy.json'), JSON.stringify(weftConfiguration(folder, port, around, subject)));
  const args = ['proxy', '--config', folder, '--shards', '1', '--access-log', 'off', '--log-level', 'debug'];
  const environment = { MESH_HOME: join(folder, '.mesh') };
  const command = [join(ROOT, 'cli/mesh.ts'), ...args, '--admin', `127.0.0.1:${admin}`];
  const child = children.start(process.execPath, command, environment, 1 << 20);
  return running(children, child, { port, admin }, /\twasm\tistio-system\/filter: (.*)$/gm);
};

interface Ports {
  readonly port: number;
  readonly admin: number;
}

/** A filter may answer anything, or refuse to run: it is there when it answers at all. */
async function running(children: Children, child: Child, { port, admin }: Ports, line: RegExp): Promise<RunningProxy> {
  const deadline = Date.now() + START_MS;
  while (child.alive() && !(await connects(port))) {
    if (Date.now() > deadline) throw new Error(`nothing listens on ${port}\n${child.output()}`);
    await delay(50);
  }
  return {
    port,
    refused: !child.alive(),
    said: () => [...child.output().matchAll(line)].map(([, message]) => message.trim()),
    figures: async () => (await fetch(`http://127.0.0.1:${admin}/stats/prometheus`)).text(),
    stop: () => children.end(child),
  };
}

function connects(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => done(true));
    socket.on('error', () => done(false));
    socket.on('connect', () => socket.destroy());
  });
}

const HTTP1 = { enable_trailers: true };

function options(path: string, more: object): object {
  return { '@type': `${EXTENSIONS}.${path}`, ...more };
}

function socket(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function envoyConfiguration(folder: string, { port, admin }: Ports, around: Around, subject: Subject | null): object {
  const [inFront, within] = subject?.type === 'network' ? [subject, null] : [null, subject];
  const before = inFront === null ? [] : [envoyFilter('network', folder, inFront)];
  const filters = [...before, httpManager(folder, within)];
  const called = (subject?.clusters ?? []).map((name) => envoyCluster(name, around.callee));
  return {
    admin: { address: socket(admin) },
    static_resources: {
      listeners: [{ name: 'in', address: socket(port), filter_chains: [{ filters }] }],
      clusters: [envoyCluster('upstream', around.upstream), ...called],
    },
  };
}

function httpManager(folder: string, subject: Subject | null): object {
  const router = { name: 'envoy.filters.http.router', typed_config: options('filters.http.router.v3.Router', {}) };
  const manager = options('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'in',
    use_remote_address: true,
    // As the other host does: neither writes over what an upstream or a client says of itself.
    server_header_transformation: 'PASS_THROUGH',
    preserve_external_request_id: true,
    http_protocol_options: HTTP1,
    route_config: {
      virtual_hosts: [
        { name: 'any', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream' } }] },
      ],
    },
    http_filters: [...(subject === null ? [] : [envoyFilter('http', folder, subject)]), router],
  });
  return { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
}

function envoyCluster(name: string, port: number): object {
  const connections = options('upstreams.http.v3.HttpProtocolOptions', {
    explicit_http_config: { http_protocol_options: HTTP1 },
  });
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': connections },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(port) } }] }],
    },
  };
}

function envoyFilter(
  of: 'http' | 'network',
  folder: string,
  { bytes, configuration, vmConfiguration }: Subject,
): object {
  const filename = join(folder, 'filter.wasm');
  writeFileSync(filename, bytes);
  const vm = { vm_id: 'filter', runtime: 'envoy.wasm.runtime.v8', code: { local: { filename } } };
  const vmConfigured = vmConfiguration === '' ? {} : { configuration: textOf(vmConfiguration) };
  const configured = configuration === null ? {} : { configuration: textOf(handedOver(configuration)) };
  const config = { name: 'filter', vm_config: { ...vm, ...vmConfigured }, ...configured };
  return { name: `envoy.filters.${of}.wasm`, typed_config: options(`filters.${of}.wasm.v3.Wasm`, { config }) };
}

function textOf(value: string): object {
  return { '@type': 'type.googleapis.com/google.protobuf.StringValue', value };
}

function handedOver(configuration: object | string): string {
  return typeof configuration === 'string' ? configuration : JSON.stringify(configuration);
}

function weftConfiguration(folder: string, port: number, around: Around, subject: Subject | null): object {
  // As the other host does, which repeats nothing by itself.
  const items = edge(port, around.upstream, { retries: { attempts: 0 } });
  if (subject !== null) {
    const { bytes, type, configuration, vmConfiguration, clusters } = subject;
    writeFileSync(join(folder, 'filter.wasm'), bytes);
    items.push(
      // What is no host name is the name of no service here.
      ...clusters.filter((name) => HOST_NAME.test(name)).map((name) => service(name, around.callee)),
      resource('weft.dev/v1', 'Plugin', 'filter', {
        digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
        type,
        upstreams: clusters,
        ...(configuration === null ? {} : { config: configuration }),
        ...(vmConfiguration === '' ? {} : { vmConfig: { configuration: vmConfiguration } }),
      }),
    );
  }
  return { apiVersion: 'v1', kind: 'List', items };
}

/** By the name alone, as in the other host. */
function service(name: string, port: number): object {
  return resource('networking.istio.io/v1', 'ServiceEntry', `called-${name}`, {
    hosts: [`${name}.istio-system.svc.cluster.local`],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'STATIC',
    endpoints: [{ address: '127.0.0.1', ports: { http: port } }],
  });
}
