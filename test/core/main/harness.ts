// Whole proxies in this process, main thread and shards, with an upstream, a folder of configuration and a log to wait on.

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Proxy as MeshProxy, type ProxyOptions, startProxy } from '../../../core/main.ts';
import type { Node } from '../../../core/workload.ts';

export interface Lines {
  readonly all: string[];
  readonly log: NonNullable<ProxyOptions['log']>;
  /** Resolves with the first line, past or future, that fits. Rejects after a while. */
  line(pattern: RegExp): Promise<string>;
}

export interface Bench {
  readonly dir: string;
  readonly log: Lines;
  readonly upstream: number;
  /** Writes a file of the folder. */
  write(name: string, text: string | Uint8Array): Promise<void>;
  start(options?: Partial<ProxyOptions>): Promise<MeshProxy>;
}

const PATIENCE_MS = 20_000;

/** An upstream and an empty folder; everything ends with the test. */
export async function bench(t: TestContext): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-proxy-'));
  const log = lines();
  const upstream = await listen(createServer((_, response) => response.end('upstream')));
  const proxies: MeshProxy[] = [];
  t.after(async () => {
    for (const proxy of proxies) await proxy.close();
    upstream.closeAllConnections();
    upstream.close();
    await rm(dir, { recursive: true, force: true });
  });
  const { port } = upstream.address() as AddressInfo;
  return {
    dir,
    log,
    upstream: port,
    async write(name, text) {
      // Whole at once: half a file can be a valid configuration, too.
      const next = join(dir, `.${name}.next`);
      await writeFile(next, text);
      await rename(next, join(dir, name));
    },
    async start(options = {}) {
      const proxy = await startProxy({
        node: GATEWAY,
        source: { kind: 'files', dir },
        shards: 1,
        gatewayPorts: { 80: 0, 8080: 0 },
        accessLog: { format: 'off' },
        log: log.log,
        ...options,
      });
      proxies.push(proxy);
      return proxy;
    },
  };
}

export const GATEWAY: Node = {
  id: 'router~127.0.0.1~gateway.default~default.svc.cluster.local',
  name: 'gateway',
  workload: 'istio-ingressgateway',
  namespace: 'default',
  serviceAccount: 'default',
  trustDomain: 'cluster.local',
  labels: { istio: 'ingressgateway' },
  role: 'gateway',
  address: '',
  app: null,
  services: [],
};

/** A Gateway on port 8080 whose requests all go to one port of this machine. */
export function reverseProxy(upstream: number, gatewayPort = 8080): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: ${gatewayPort}, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: upstream}
spec:
  hosts: [upstream.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {http: ${upstream}}}]
---
${virtualService('/')}`;
}

export function virtualService(prefix: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: everything}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
  - match: [{uri: {prefix: ${prefix}}}]
    route: [{destination: {host: upstream.example.com, port: {number: 80}}}]
`;
}

/** The port that a listener of this kind is really bound to. */
export function portOf(proxy: MeshProxy, kind: 'gateway' | 'inbound' | 'outbound' = 'gateway'): number {
  const listener = proxy.listeners.find((candidate) => candidate.kind === kind);
  if (listener === undefined) throw new Error(`there is no ${kind} listener`);
  return listener.port;
}

export interface Got {
  readonly status: number;
  readonly body: string;
}

/** One request on a connection of its own. Rejects when the connection fails. */
export function get(url: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { ...options, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    outgoing.setTimeout(PATIENCE_MS, () => outgoing.destroy(new Error('no answer')));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** A figure of the proxy, by its name in /stats/prometheus. */
export async function figure(proxy: MeshProxy, name: string): Promise<number> {
  const { body } = await get(`${proxy.admin}/stats/prometheus`);
  return body
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

export function lines(): Lines {
  const all: string[] = [];
  const waiting: { readonly pattern: RegExp; readonly resolve: (line: string) => void }[] = [];
  return {
    all,
    log(level, component, message) {
      const line = `${level} ${component}: ${message}`;
      all.push(line);
      for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve(line);
    },
    line(pattern) {
      const known = all.find((line) => pattern.test(line));
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new Error(`no line like ${pattern}; there are:\n  ${all.join('\n  ')}`));
        }, PATIENCE_MS);
        waiting.push({
          pattern,
          resolve(line) {
            clearTimeout(timer);
            resolve(line);
          },
        });
      });
    },
  };
}

export function listen(server: Server): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

export function sidecar(service: string, port: number): Node {
  return {
    ...GATEWAY,
    id: `sidecar~127.0.0.1~${service}-1.default~default.svc.cluster.local`,
    name: `${service}-1`,
    workload: service,
    labels: { app: service },
    role: 'sidecar',
    app: { address: '127.0.0.1', port },
    services: [service],
  };
}
