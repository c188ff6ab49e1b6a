// The mesh of Istio's tasks, in this process: workloads in namespaces, with a sidecar and a certificate each, or without.

import type { AuthorityFiles } from '../../../control/authority/files.ts';
import type { WorkloadEndpoint } from '../../../core/workload.ts';
import { exchangeBytes, type RunningDataPlane, startApp, startDataPlane } from '../data-plane.ts';
import { type TestAuthority, testAuthority } from '../identities.ts';

export interface Wanted {
  readonly name: string;
  readonly namespace: string;
  /** Left out: its name. */
  readonly account?: string;
  /** What it answers to a path, or null: it serves nothing. */
  readonly serves: ((path: string, method: string, headers: Headers) => string | Promise<string>) | null;
  /** An application that runs already, in place of one that `serves`. */
  readonly port?: number;
  readonly sidecar: boolean;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

export interface Workload extends Wanted {
  readonly address: string;
  readonly appPort: number;
  readonly plane: RunningDataPlane | null;
}

/** What curl shows: '000' when nothing was answered. */
export interface Shown {
  readonly code: string;
  readonly body: string;
  readonly head: string;
}

export interface TaskMesh {
  readonly workloads: ReadonlyMap<string, Workload>;
  /** To every proxy. */
  apply(yaml: string): void;
  unconfigure(): void;
  /** 'curl.foo' asks for 'http://httpbin.bar:8000/ip', through its sidecar if it has one. */
  curl(from: string, url: string, options?: { method?: string; headers?: readonly string[] }): Promise<Shown>;
  close(): Promise<void>;
}

const PORT = 8000;

/** `network`: '127.51.0', of which each workload has an address. `own`: files of the authority's. */
export async function startTaskMesh(
  network: string,
  wanted: readonly Wanted[],
  own?: AuthorityFiles['own'],
): Promise<TaskMesh> {
  const closers: (() => unknown)[] = [];
  const authority: TestAuthority = await testAuthority(own);
  closers.push(authority.close);
  const workloads = new Map<string, Workload>();
  for (const [i, each] of wanted.entries()) {
    const address = `${network}.${i + 1}`;
    workloads.set(`${each.name}.${each.namespace}`, await startWorkload(each, address, authority, closers));
  }
  const all = [...workloads.values()];
  const planes = all.flatMap(({ plane }) => plane ?? []);
  for (const plane of planes) plane.told(all.map(endpointOf));
  const services = all.filter(({ appPort }) => appPort > 0).map(serviceOf);
  const base = (): void => {
    for (const plane of planes) plane.apply(...services);
  };
  base();
  return {
    workloads,
    apply(yaml) {
      for (const plane of planes) plane.apply(yaml);
    },
    unconfigure() {
      for (const plane of planes) plane.unconfigure();
      base();
    },
    async curl(from, url, { method = 'GET', headers = [] } = {}) {
      const { host, hostname, pathname, search } = new URL(url);
      const caller = workloads.get(from)!;
      const wire = [`${method} ${pathname}${search} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers];
      const bytes = `${wire.join('\r\n')}\r\n\r\n`;
      const { plane } = caller;
      if (plane !== null) return shown(await exchangeBytes(plane.ports.outbound, bytes, undefined, caller.address));
      // Nobody redirects who has no sidecar.
      const called = workloads.get(hostname)!;
      const port = called.plane?.ports.inbound ?? called.appPort;
      return shown(await exchangeBytes(port, bytes, undefined, called.plane === null ? '127.0.0.1' : called.address));
    },
    async close() {
      for (const close of closers.reverse()) await close();
    },
  };
}

async function startWorkload(
  wanted: Wanted,
  address: string,
  authority: TestAuthority,
  closers: (() => unknown)[],
): Promise<Workload> {
  const { name, namespace, account = name, serves, sidecar } = wanted;
  let appPort = wanted.port ?? 0;
  if (serves !== null) {
    const app = await startApp(async ({ url = '', method = '', headers }, response) => {
      response.end(await serves(url, method, headers));
    });
    closers.push(app.close);
    appPort = app.port;
  }
  if (!sidecar) return { ...wanted, address, appPort, plane: null };
  const labels = { app: name };
  const plane = await startDataPlane({
    ...{ address, namespace, labels, serviceAccount: account },
    ...(appPort > 0 && { appPort, services: [name] }),
  });
  closers.push(plane.close);
  plane.plane.setIdentity(await authority.identity(account, { namespace }));
  return { ...wanted, address, appPort, plane };
}

function endpointOf({ name, namespace, account = name, address, appPort, plane }: Workload): WorkloadEndpoint {
  return {
    ...{ id: `${name}.${namespace}`, name: `${name}-1`, workload: name, namespace, serviceAccount: account },
    ...{ trustDomain: 'cluster.local', labels: { app: name }, weight: 1, locality: '', appPort: 8080 },
    services: appPort > 0 ? [name] : [],
    ...(plane === null ? { address: '127.0.0.1', port: appPort } : { address, port: plane.ports.inbound, tls: true }),
  };
}

function serviceOf({ name, namespace }: Workload): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: PORT, targetPort: 8080 }] },
  });
}

function shown(answer: string): Shown {
  const end = answer.indexOf('\r\n\r\n');
  const head = end < 0 ? '' : answer.slice(0, end);
  const code = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? '000';
  return { code, head, body: end < 0 ? '' : unchunked(head, answer.slice(end + 4)) };
}

function unchunked(head: string, body: string): string {
  if (!/^transfer-encoding: chunked$/im.test(head)) return body;
  let rest = body;
  let whole = '';
  for (;;) {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (!(size > 0)) return whole;
    whole += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 4 + size);
  }
}
