// A control plane on a real nats-server, asked over HTTP as clients ask it.
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { type Control, type ControlOptions, startControl } from '../../control/main.ts';
import type { Problem } from '../../core/config/resource.ts';
import { type Mesh, startMesh } from '../bus/harness.ts';

export interface Reply<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: T;
}

export interface ErrorBody {
  readonly error: string;
  readonly problems?: Problem[];
}

export interface Plane {
  readonly mesh: Mesh;
  readonly control: Control;
  readonly log: string[];
  /** Another control plane on the same bus. */
  another(options?: Partial<ControlOptions>): Promise<Control>;
  /** Ends the first one and starts it again. */
  restart(): Promise<void>;
  /** With the token, unless headers say otherwise. */
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    options?: { headers?: Record<string, string>; to?: Control },
  ): Promise<Reply<T>>;
  stop(): Promise<void>;
}

/** Whoever starts it registers `stop` to run afterwards. */
export async function startDataPlane(options: Partial<ControlOptions> = {}): Promise<Plane> {
  const mesh = await startMesh();
  const log: string[] = [];
  const others: Control[] = [];
  const start = (more: Partial<ControlOptions> = {}) =>
    startControl({
      nats: { servers: [mesh.server.url], ...mesh.server.credentials.control, confirmMs: 1_000 },
      stateDir: join(mesh.stateDir, 'control'),
      version: '1.2.3',
      onLog: (line) => log.push(line),
      ...options,
      ...more,
    });
  let control = await start();
  return {
    mesh,
    log,
    get control() {
      return control;
    },
    async another(more) {
      const other = await start(more);
      others.push(other);
      return other;
    },
    async restart() {
      await control.close();
      control = await start({ port: Number(new URL(control.url).port) });
    },
    call: (method, path, body, { headers, to } = {}) => call(to ?? control, method, path, body, headers),
    async stop() {
      await Promise.all([control, ...others].map((each) => each.close()));
      await mesh.stop();
    },
  };
}

/** By node:http, which sends whatever Host and Origin it is told. */
function call<T>(
  to: Control,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Reply<T>> {
  const { hostname, port } = new URL(to.url);
  const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  const payload = raw ? body : JSON.stringify(body);
  const sent: Record<string, string> = {
    authorization: `Bearer ${to.token}`,
    ...(payload !== undefined && { 'content-type': 'application/json' }),
    ...headers,
  };
  for (const [name, value] of Object.entries(sent)) if (value === '') delete sent[name];
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers: sent, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const json = String(response.headers['content-type']).includes('json');
        const { statusCode: status = 0, headers: received } = response;
        resolve({ status, headers: received, body: (json ? JSON.parse(text) : text) as T });
      });
    });
    request.on('error', reject);
    request.end(payload);
  });
}

export function virtualService(name: string, subset = 'v1'): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: ${name}
spec:
  hosts: [${name}]
  http:
    - route:
        - destination:
            host: ${name}
            subset: ${subset}
`;
}

export function files(...texts: string[]): { files: { name: string; text: string }[] } {
  return { files: texts.map((text, n) => ({ name: `${n}.yaml`, text })) };
}
