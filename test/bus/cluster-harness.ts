// A cluster of real nats-servers on loopback, from the configurations that the product writes. Its nodes are killed and started.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenBusOptions, openBus } from '../../bus/connect.ts';
import { type ClusterServer, clusterServerConf, type ServerTls } from '../../bus/server/cluster-conf.ts';
import { type BusCredentials, ensureCredentials } from '../../bus/server/server-conf.ts';
import type { Bus } from '../../bus/types.ts';
import { accountTokens } from '../../bus/users/accounts.ts';

export interface TestNode extends ClusterServer {
  readonly url: string;
  readonly alive: boolean;
  /** The newest lines of its log. */
  readonly lines: readonly string[];
  start(): void;
  /** As a crash would; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface TestCluster {
  readonly dir: string;
  readonly nodes: readonly TestNode[];
  readonly credentials: BusCredentials;
  readonly urls: readonly string[];
  control(options?: Partial<OpenBusOptions>): Promise<Bus>;
  stop(): Promise<void>;
}

/**
 * `binary`: a nats-server. `certify`: files of a certificate for that address, in that folder; without it the servers speak plain text.
 * Whoever starts it registers `stop`.
 */
export async function startCluster(
  binary: string,
  size = 3,
  certify?: (dir: string, address: string) => Promise<ServerTls>,
): Promise<TestCluster> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-cluster-'));
  const credentials = await ensureCredentials(dir);
  const { keys } = credentials.control;
  // An address of its own, where the system has more than one: nobody else takes a port of a server that is down.
  const host =
    process.platform === 'linux' ? `127.${randomInt(64, 128)}.${randomInt(256)}.${randomInt(1, 255)}` : '127.0.0.1';
  const ports = await freePorts(host, size * 2);
  const servers = Array.from({ length: size }, (_, n) => {
    return { name: `n${n + 1}`, host, port: ports[n], routePort: ports[size + n] };
  });
  const tokens = await accountTokens(keys);
  const tls = (await certify?.(dir, host)) ?? null;
  const nodes: TestNode[] = [];
  for (const server of servers) {
    const file = join(dir, `${server.name}.conf`);
    const conf = { name: 'weft', servers, keys, tokens, tls, storeDir: (name: string) => join(dir, name) };
    await writeFile(file, clusterServerConf(conf, server), { mode: 0o600 });
    nodes.push(testNode(server, binary, file));
  }
  for (const node of nodes) node.start();
  const urls = nodes.map(({ url }) => url);
  const buses: Bus[] = [];
  return {
    ...{ dir, nodes, credentials, urls },
    async control(options = {}) {
      const bus = await openBus({
        ...{ servers: urls, name: 'test', role: 'control', waitMs: 60_000, replicas: size },
        ...credentials.control,
        ...options,
      });
      buses.push(bus);
      return bus;
    },
    async stop() {
      await Promise.all(buses.map((bus) => bus.close()));
      await Promise.all(nodes.map((node) => node.kill()));
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function testNode(server: ClusterServer, binary: string, file: string): TestNode {
  let child: ChildProcess | null = null;
  const lines: string[] = [];
  return {
    ...server,
    url: `nats://${server.host}:${server.port}`,
    lines,
    get alive() {
      return child !== null;
    },
    start() {
      child = spawn(binary, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
      child.stderr!.setEncoding('utf8').on('data', (text: string) => {
        lines.push(...text.trimEnd().split('\n'));
        lines.splice(0, lines.length - 200);
      });
    },
    async kill() {
      const gone = child;
      child = null;
      if (gone === null || gone.exitCode !== null || gone.signalCode !== null) return;
      gone.kill('SIGKILL');
      await once(gone, 'exit');
    },
  };
}

async function freePorts(host: string, count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, host));
  await Promise.all(probes.map((probe) => probe.listening || once(probe, 'listening')));
  const ports = probes.map((probe) => (probe.address() as { port: number }).port);
  await Promise.all(probes.map((probe) => new Promise((closed) => probe.close(closed))));
  return ports;
}
