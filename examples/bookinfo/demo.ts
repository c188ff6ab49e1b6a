// `npm run demo`: Bookinfo on this machine. NATS and the control plane, a gateway, and eight workloads each behind its
// sidecar, all as `mesh` commands that anybody could type. With --check it walks the tour and exits with 0 or 1.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { closeBrowser, get } from './browser.ts';
import { type MeshProcess, MeshProcesses } from './mesh-process.ts';
import { walk } from './tour.ts';
import { WORKLOADS } from './workloads.ts';

interface Demo {
  readonly api: string;
  readonly nats: string;
  /** 'http://127.0.0.1:8080' */
  readonly gateway: string;
  readonly proxies: readonly ProxyEntry[];
}

/** Of demo.json. */
interface ProxyEntry {
  readonly name: string;
  readonly service: string;
  readonly version: string;
  readonly admin: string;
  readonly outbound: string | null;
  readonly inbound: string | null;
}

const CONFIG = join(import.meta.dirname, 'config');
const ROOT = resolve(import.meta.dirname, '..', '..');
const HOME = resolve(process.env.MESH_HOME || join(ROOT, '.mesh'));
const DEMO_FILE = join(HOME, 'demo.json');
const GATEWAY_PORT = 8080;
const APP_PORT = 9080;
/** Stopping included, the tour ends within 90 s. */
const TOUR_MS = 80_000;
const SERVING_MS = 20_000;
/** What the demo starts with; everything else that is configured is taken out. */
const BASE = ['services.yaml', 'gateway.yaml', 'subsets.yaml'];

async function main(args: readonly string[]): Promise<number> {
  const { check, limitMs, wrong } = readArguments(args);
  if (wrong !== null) {
    say('usage: npm run demo [-- --check [--limit SECONDS]]');
    return wrong === '--help' || wrong === '-h' ? 0 : 2;
  }
  const started = performance.now();
  const processes = new MeshProcesses(HOME);
  const stopped = untilSignal();
  const end = check
    ? Promise.race([stopped, delay(limitMs, `the tour took more than ${limitMs / 1000} s`, { ref: false })])
    : stopped;
  try {
    const demo = await Promise.race([start(processes), end]);
    if (typeof demo === 'string') return interrupted(demo);
    say(`everything is ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    const result = check ? await Promise.race([tour(processes, demo), end]) : await serve(demo, end, processes);
    return typeof result === 'string' ? interrupted(result) : result;
  } catch (error) {
    say((error as Error).message);
    return 1;
  } finally {
    say('stopping ...');
    closeBrowser();
    await processes.stop();
    rmSync(DEMO_FILE, { force: true });
  }
}

async function start(processes: MeshProcesses): Promise<Demo> {
  say(`starting NATS and the control plane (state in ${HOME}) ...`);
  const control = await processes.start('control', ['up']);
  await reset(processes);
  say('starting the gateway and eight workloads, each behind its sidecar ...');
  const gatewayPort = (await isOurs(GATEWAY_PORT)) && (await isFree(GATEWAY_PORT)) ? GATEWAY_PORT : 0;
  const gatewayArgs = ['proxy', '--name', 'ingressgateway', '--label', 'istio=ingressgateway', '--shards', '1'];
  const [gateway, ...sidecars] = await Promise.all([
    processes.start('gateway', [...gatewayArgs, '--gateway-port', `${GATEWAY_PORT}=${gatewayPort}`]),
    ...WORKLOADS.map((workload) => startWorkload(processes, workload)),
  ]);
  const demo = {
    api: String(control.ready.api),
    nats: String(control.ready.nats),
    gateway: gatewayUrl(gateway),
    proxies: [entry(gateway, 'istio-ingressgateway', ''), ...sidecars],
  };
  const token = String(control.ready.token);
  writeFileSync(DEMO_FILE, `${JSON.stringify({ ...demo, token }, null, 2)}\n`, { mode: 0o600 });
  await untilServing(`${demo.gateway}/productpage`);
  return demo;
}

async function startWorkload(processes: MeshProcesses, workload: (typeof WORKLOADS)[number]): Promise<ProxyEntry> {
  const { service, version, env, upstream } = workload;
  const name = `${service}-${version}`;
  const app = join(import.meta.dirname, 'apps', `${service}.${import.meta.filename.split('.').at(-1)}`);
  // Where every workload has an address of its own they can all use the port that their Service names.
  const ownAddresses = process.platform === 'linux';
  const port = ownAddresses ? APP_PORT : await freePort();
  const args = ['run', '--service', service, '--version', version, '--service-account', `bookinfo-${service}`];
  args.push('--name', name, '--port', String(port), ...(ownAddresses ? ['--app-address', 'own'] : []));
  const variables: Record<string, string> = { ...env, HOSTNAME: name };
  if (upstream !== undefined) {
    const place = String(await freePort());
    args.push('--upstream', `${upstream.port}=${place}`);
    variables[upstream.variable] = `127.0.0.1:${place}`;
  }
  const started = await processes.start(name, [...args, '--', process.execPath, app], variables);
  return entry(started, service, version);
}

/** The demo begins with its own configuration; what was there before is one rollback away. */
async function reset(processes: MeshProcesses): Promise<void> {
  const { revision, items } = JSON.parse(await processes.run('get', '--json')) as {
    revision: number;
    items: { kind: string; metadata: { name: string; namespace: string } }[];
  };
  const byKind = new Map<string, string[]>();
  for (const { kind, metadata } of items) {
    const key = `${kind} ${metadata.namespace || 'default'}`;
    byKind.set(key, [...(byKind.get(key) ?? []), metadata.name]);
  }
  for (const [key, names] of byKind) {
    const [kind, namespace] = key.split(' ');
    await processes.run('delete', kind, ...names, '-n', namespace);
  }
  if (items.length > 0) say(`configuration of the last time removed; \`mesh rollback ${revision}\` brings it back`);
  await processes.run('apply', ...BASE.flatMap((file) => ['-f', join(CONFIG, file)]));
}

async function serve(demo: Demo, end: Promise<string>, processes: MeshProcesses): Promise<number | string> {
  const example = existsSync(join(process.cwd(), 'examples', 'bookinfo')) ? 'examples/bookinfo/config' : CONFIG;
  process.stdout.write(`
  Bookinfo        ${demo.gateway}/productpage
  control plane   ${demo.api}/docs
  NATS            ${demo.nats}
  proxies         ${DEMO_FILE}, logs in ${join(HOME, 'logs')}

Seven things to try (in another shell, in this folder):
  1. look at the page, reload it a few times: the stars come and go, because three versions of reviews answer in turn
       curl -s ${demo.gateway}/productpage | grep -o 'font color="[a-z]*"'
  2. send everybody to reviews v1, then sign in as jason (any password) and send only jason to v2
       npm run mesh -- apply -f ${example}/reviews-v1.yaml --wait
       npm run mesh -- apply -f ${example}/reviews-jason-v2.yaml --wait
  3. let ratings take 7 s for jason, and see which bug in productpage and reviews that uncovers
       npm run mesh -- apply -f ${example}/ratings-delay.yaml --wait
  4. forbid productpage to ask details, look at the page, and allow it again
       npm run mesh -- apply -f ${example}/details-deny-productpage.yaml --wait
       npm run mesh -- delete -f ${example}/details-deny-productpage.yaml --wait
  5. forbid ratings to ask the store of its stars, which it does by TCP, reload as jason, and allow it again
       npm run mesh -- apply -f ${example}/stars-deny-ratings.yaml --wait
       npm run mesh -- delete -f ${example}/stars-deny-ratings.yaml --wait
  6. forbid productpage to ask stock, which it does by gRPC, look at the page, and allow it again
       npm run mesh -- apply -f ${example}/stock-deny-productpage.yaml --wait
       npm run mesh -- delete -f ${example}/stock-deny-productpage.yaml --wait
  7. ask who is there, who runs which revision, and what a sidecar knows
       npm run mesh -- ps
       npm run mesh -- pc routes productpage-v1
       npm run mesh -- history

Ctrl-C stops everything.
`);
  return Promise.race([end, processes.firstGone()]);
}

async function tour(processes: MeshProcesses, demo: Demo): Promise<number> {
  const files = (names: readonly string[]) => names.flatMap((name) => ['-f', join(CONFIG, name)]);
  const width = 40;
  process.stdout.write(`\n${'STOP'.padEnd(width)}RESULT   TIME     SEEN\n`);
  const ok = await walk(
    {
      page: `${demo.gateway}/productpage`,
      apply: async (...names) => void (await processes.run('apply', ...files(names), '--wait')),
      delete: async (...names) => void (await processes.run('delete', ...files(names), '--wait')),
    },
    ({ title, ok: passed, seen, ms }) => {
      const time = `${(ms / 1000).toFixed(1)} s`;
      process.stdout.write(`${title.padEnd(width)}${(passed ? 'ok' : 'FAILED').padEnd(9)}${time.padEnd(9)}${seen}\n`);
    },
  );
  process.stdout.write(ok ? '\nthe tour went as it should\n' : '\nthe tour failed\n');
  return ok ? 0 : 1;
}

function entry(started: MeshProcess, service: string, version: string): ProxyEntry {
  const { admin, outbound, inbound, name } = started.ready;
  const address = (value: unknown) => (value === undefined || value === null ? null : String(value));
  return {
    name: String(name),
    service,
    version,
    admin: String(admin),
    outbound: address(outbound),
    inbound: address(inbound),
  };
}

function gatewayUrl(gateway: MeshProcess): string {
  const listeners = gateway.ready.listeners as { kind: string; port: number }[];
  const port = listeners.find(({ kind }) => kind === 'gateway')?.port;
  if (port === undefined) throw new Error('the gateway has no listener: is its Gateway applied?');
  return `http://127.0.0.1:${port}`;
}

/** Sidecars hear of each other's endpoints a moment after each has said that it is ready. */
async function untilServing(page: string): Promise<void> {
  const deadline = performance.now() + SERVING_MS;
  for (let good = 0; good < 3; ) {
    const answer = await get(page).catch((error: Error) => ({ status: 0, text: error.message }));
    const complete = answer.status === 200 && !answer.text.includes('unavailable');
    good = complete ? good + 1 : 0;
    if (complete) continue;
    if (performance.now() > deadline) {
      throw new Error(
        `${page} is not served after ${SERVING_MS / 1000} s: ${answer.status} ${answer.text.slice(0, 200)}`,
      );
    }
    await delay(100);
  }
}

function untilSignal(): Promise<string> {
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => done(signal));
  });
}

/** `wrong`: the argument that is none. */
function readArguments(args: readonly string[]): { check: boolean; limitMs: number; wrong: string | null } {
  let check = false;
  let limitMs = TOUR_MS;
  for (let at = 0; at < args.length; at++) {
    const seconds = Number(args[at + 1]);
    if (args[at] === '--check') check = true;
    else if (args[at] === '--limit' && seconds > 0) {
      limitMs = seconds * 1000;
      at++;
    } else return { check, limitMs, wrong: args[at] };
  }
  return { check, limitMs, wrong: null };
}

function interrupted(reason: string): number {
  say(reason);
  return reason === 'SIGINT' || reason === 'SIGTERM' || reason === 'SIGHUP' ? 0 : 1;
}

/** Of two demos that start together one has it, before its gateway listens: by a name that is gone with the process. */
function isOurs(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return Promise.resolve(true);
  return new Promise((resolve) => {
    const owner = createServer().unref();
    owner.once('error', () => resolve(false));
    owner.listen({ path: `\0weft demo ${port}`, exclusive: true }, () => resolve(true));
  });
}

async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port).catch(() => 0)) === port;
}

function freePort(): Promise<number> {
  return listenOnce(0);
}

function listenOnce(port: number): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function say(line: string): void {
  process.stderr.write(`demo: ${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
