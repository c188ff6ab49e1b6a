// A whole mesh for disasters: NATS and the control plane, a gateway, and an application behind its sidecar, all as users start them.
import { readFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ready } from '../bookinfo/weft.ts';
import type { Child, Children } from '../children.ts';
import { freePort } from '../ports.ts';

const MESH = join(import.meta.dirname, '../../cli/mesh.ts');
const PATIENCE_MS = 90_000;
const APP = `require('node:http').createServer((_, answer) => answer.end('hello')).listen(process.env.PORT, process.env.HOST)`;
const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec:
  selector: {app: hello}
  ports: [{name: http, port: 80, targetPort: 9080}]
`;

export class DisasterMesh {
  readonly home: string;
  /** Of the gateway. */
  port = 0;
  readonly #children: Children;
  #up: Child | null = null;
  #changes = 0;

  constructor(home: string, children: Children) {
    this.home = home;
    this.#children = children;
  }

  async start(): Promise<void> {
    await this.startUp();
    await this.#apply(GATEWAY);
    await this.change();
    this.port = await freePort();
    const gateway = ['proxy', '--label', 'istio=ingressgateway', '--access-log', 'off', '--json'];
    const app = ['run', '--service', 'hello', '--port', '9080', '--app-address', 'own', '--json'];
    await Promise.all([
      ready(this.#mesh(...gateway, '--gateway-port', `8080=${this.port}`)),
      ready(this.#mesh(...app, '--', process.execPath, '-e', APP)),
    ]);
  }

  /** `mesh up`, on the same home and the same port of NATS as before. */
  async startUp(): Promise<void> {
    this.#up = this.#mesh('up', '--port', '0', '--json');
    await ready(this.#up);
  }

  /** As a crash of it all: nats-server with it. */
  async killUp(): Promise<void> {
    const nats = this.natsPid();
    process.kill(this.#up!.pid, 'SIGKILL');
    process.kill(nats, 'SIGKILL');
    await this.#up!.ended;
  }

  natsPid(): number {
    return Number(readFileSync(join(this.home, 'nats', 'nats.pid'), 'utf8'));
  }

  /** What `mesh up` has printed. */
  said(): string {
    return this.#up?.output() ?? '';
  }

  /** Changes what every answer carries; its number. Throws what the control plane says when it refuses. */
  async change(): Promise<string> {
    const number = String(++this.#changes);
    await this.#apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hello}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
    - headers: {response: {set: {x-change: "${number}"}}}
      route: [{destination: {host: hello, port: {number: 80}}}]
`);
    return number;
  }

  /** Until a change is taken; its number. */
  async changeAgain(): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.change();
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await delay(50);
      }
    }
  }

  /** The configuration, as text that can be compared. */
  async configuration(): Promise<string> {
    const { items } = (await this.#ask('GET', '/v1/resources')) as { items: unknown[] };
    return JSON.stringify(items);
  }

  /** `mesh ARGUMENTS`, to its end. */
  async run(...args: string[]): Promise<string> {
    const child = this.#mesh(...args);
    await child.ended;
    return child.output();
  }

  /** The newest state that a proxy of this machine keeps. */
  async keptState(): Promise<string> {
    const folders = await readdir(join(this.home, 'proxies'));
    return join(this.home, 'proxies', folders.sort()[0]);
  }

  #mesh(...args: string[]): Child {
    return this.#children.start(process.execPath, [MESH, ...args], { MESH_HOME: this.home }, 32 << 10);
  }

  async #apply(text: string): Promise<void> {
    await this.#ask('POST', '/v1/apply', { files: [{ name: 'disaster.yaml', text }] });
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const { api, token } = JSON.parse(readFileSync(join(this.home, 'context.json'), 'utf8'));
    const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) };
    const signal = AbortSignal.timeout(15_000);
    const answer = await fetch(`${api}${path}`, { method, headers, signal, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
    return JSON.parse(text);
  }
}

/** Files in a folder of NATS' data whose name ends so. */
export async function dataFiles(home: string, ending: string): Promise<string[]> {
  const data = join(home, 'nats', 'data');
  const names = await readdir(data, { recursive: true });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(data, name));
}

export function flipBytes(file: string): void {
  const bytes = readFileSync(file);
  const middle = bytes.length >> 1;
  for (let i = middle; i < Math.min(middle + 8, bytes.length); i++) bytes[i] ^= 0xff;
  writeFileSync(file, bytes);
}
