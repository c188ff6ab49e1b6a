// The two hosts: a proxy with one filter, or with none, in front of an upstream.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child, Children } from '../children.ts';
import { edge, resource } from '../edge.ts';
import { envoyCommand } from '../peers/envoy.ts';
import { answers, freePort } from '../ports.ts';
import type { Subject } from './subjects.ts';

const ROOT = join(import.meta.dirname, '../..');
const START_MS = 30_000;
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/** Starts a proxy; `folder` is its own. */
export type Start = (
  children: Children,
  folder: string,
  upstream: number,
  subject: Subject | null,
) => Promise<RunningProxy>;

export interface RunningProxy {
  readonly port: number;
  /** What its filter has logged so far. */
  said(): string[];
  stop(): Promise<void>;
}

export const startEnvoy: Start = async (children, folder, upstream, subject) => {
  const port = await freePort();
  mkdirSync(folder);
  writeFileSync(join(folder, 'envoy.json'), JSON.stringify(envoyConfiguration(folder, port, upstream, subject)));
  const [program, args] = envoyCommand(join(folder, 'envoy.json'));
  const child = children.start(program, [...args, '--component-log-level', 'wasm:trace'], {}, 1 << 20);
  return running(children, child, port, /\[wasm\] .*wasm log[^:]*: (.*)$/gm);
};

export const startWeft: Start = async (children, folder, upstream, subject) => {
  const port = await freePort();
  mkdirSync(folder);
  writeFileSync(join(folder, 'proxy.json'), JSON.stringify(weftConfiguration(folder, port, upstream, subject)));
  const args = ['proxy', '--config', folder, '--shards', '1', '--access-log', 'off', '--log-level', 'debug'];
  const environment = { MESH_HOME: join(folder, '.mesh') };
  const child = children.start(process.execPath, [join(ROOT, 'cli/mesh.ts'), ...args], environment, 1 << 20);
  return running(children, child, port, /\twasm\tistio-system\/filter: (.*)$/gm);
};

async function running(children: Children, child: Child, port: number, line: RegExp): Promise<RunningProxy> {
  const waiting = { timeoutMs: START_MS, alive: () => child.alive() };
  await answers(`http://127.0.0.1:${port}/`, { bytes: null }, waiting).catch((error: Error) => {
    throw new Error(`${error.message}\n${child.output()}`);
  });
  return {
    port,
    said: () => [...child.output().matchAll(line)].map(([, message]) => message.trim()),
    stop: () => children.end(child),
  };
}

function envoyConfiguration(folder: string, port: number, upstream: number, subject: Subject | null): object {
  const options = (path: string, more: object): object => ({
    '@type': `${EXTENSIONS}.${path}`,
    ...more,
  });
  const http1 = { enable_trailers: true };
  const router = { name: 'envoy.filters.http.router', typed_config: options('filters.http.router.v3.Router', {}) };
  const manager = options('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'in',
    use_remote_address: true,
    // As the other host does: neither writes over what an upstream or a client says of itself.
    server_header_transformation: 'PASS_THROUGH',
    preserve_external_request_id: true,
    http_protocol_options: http1,
    route_config: {
      virtual_hosts: [
        { name: 'any', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream' } }] },
      ],
    },
    http_filters: [...(subject === null ? [] : [envoyFilter(folder, subject)]), router],
  });
  const connections = options('upstreams.http.v3.HttpProtocolOptions', {
    explicit_http_config: { http_protocol_options: http1 },
  });
  const socket = (value: number): object => ({ socket_address: { address: '127.0.0.1', port_value: value } });
  return {
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: socket(port),
          filter_chains: [
            { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
          ],
        },
      ],
      clusters: [
        {
          name: 'upstream',
          type: 'STATIC',
          connect_timeout: '5s',
          typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': connections },
          load_assignment: {
            cluster_name: 'upstream',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(upstream) } }] }],
          },
        },
      ],
    },
  };
}

function envoyFilter(folder: string, { bytes, configuration }: Subject): object {
  const filename = join(folder, 'filter.wasm');
  writeFileSync(filename, bytes);
  const configured =
    configuration === null
      ? {}
      : {
          configuration: {
            '@type': 'type.googleapis.com/google.protobuf.StringValue',
            value: JSON.stringify(configuration),
          },
        };
  return {
    name: 'envoy.filters.http.wasm',
    typed_config: {
      '@type': `${EXTENSIONS}.filters.http.wasm.v3.Wasm`,
      config: {
        name: 'filter',
        vm_config: { vm_id: 'filter', runtime: 'envoy.wasm.runtime.v8', code: { local: { filename } } },
        ...configured,
      },
    },
  };
}

function weftConfiguration(folder: string, port: number, upstream: number, subject: Subject | null): object {
  // As the other host does, which repeats nothing by itself.
  const items = edge(port, upstream, { retries: { attempts: 0 } });
  if (subject !== null) {
    writeFileSync(join(folder, 'filter.wasm'), subject.bytes);
    items.push(
      resource('weft.dev/v1', 'Plugin', 'filter', {
        digest: `sha256:${createHash('sha256').update(subject.bytes).digest('hex')}`,
        ...(subject.configuration === null ? {} : { config: subject.configuration }),
      }),
    );
  }
  return { apiVersion: 'v1', kind: 'List', items };
}
