// What a proxy keeps in memory for a connection on which nothing happens: mutual TLS beside plain text, one proxy for each, as both are
// taken by a gateway. A connection has carried one request.
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { type CertificateFiles, writeCertificate } from '../certificates.ts';
import type { Child, Children } from '../children.ts';
import { freePort } from '../ports.ts';
import { usage } from '../usage.ts';

export interface MemoryFigures {
  readonly connections: number;
  readonly plainKiB: number;
  readonly tlsKiB: number;
}

const MESH = join(import.meta.dirname, '../../cli/mesh.ts');
/** Opened and closed first, so that what is there once for all of them is there. */
const WARM = 100;
const AT_ONCE = 25;
const SETTLE_MS = 3_000;
const PATIENCE_MS = 30_000;
const REQUEST = 'GET / HTTP/1.1\r\nhost: bench\r\n\r\n';

type Open = () => Promise<Socket>;

export async function measureMemory(children: Children, folder: string, connections: number): Promise<MemoryFigures> {
  const files = await writeCertificate(folder);
  const ports = { plain: await freePort(), tls: await freePort() };
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify(configuration(ports, files)));
  const [key, cert, ca] = [files.key, files.chain, files.roots].map((file) => readFileSync(file));
  const plain: Open = () => asked(connectPlain(ports.plain, '127.0.0.1'), 'connect');
  const tls: Open = () =>
    asked(
      connectTls({ port: ports.tls, host: '127.0.0.1', key, cert, ca, checkServerIdentity: () => undefined }),
      'secureConnect',
    );
  return {
    connections,
    plainKiB: await measure(children, folder, connections, plain),
    tlsKiB: await measure(children, folder, connections, tls),
  };
}

async function measure(children: Children, folder: string, connections: number, open: Open): Promise<number> {
  const args = [MESH, 'proxy', '--config', folder, '--shards', '1', '--access-log', 'off'];
  const proxy = children.start(process.execPath, args, { MESH_HOME: join(folder, 'home') });
  try {
    await serves(proxy, open);
    close(await several(open, WARM));
    await delay(SETTLE_MS);
    const before = usage(proxy.pid).rssMiB;
    const all = await several(open, connections);
    await delay(SETTLE_MS);
    const gone = all.filter(({ destroyed }) => destroyed).length;
    if (gone > 0) throw new Error(`${gone} of ${connections} connections did not stay`);
    const after = usage(proxy.pid).rssMiB;
    close(all);
    return ((after - before) * 1_024) / connections;
  } finally {
    await children.end(proxy);
  }
}

async function serves(proxy: Child, open: Open): Promise<void> {
  for (const until = performance.now() + PATIENCE_MS; ; await delay(100)) {
    try {
      return close([await open()]);
    } catch (error) {
      if (!proxy.alive() || performance.now() > until)
        throw new Error(`the proxy does not serve (${(error as Error).message}): ${proxy.output()}`);
    }
  }
}

async function several(open: Open, count: number): Promise<Socket[]> {
  const all: Socket[] = [];
  while (all.length < count) {
    const next = Math.min(AT_ONCE, count - all.length);
    all.push(...(await Promise.all(Array.from({ length: next }, open))));
  }
  return all;
}

/** Connected, and one request answered. */
function asked(socket: Socket, connected: 'connect' | 'secureConnect'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.once(connected, () => socket.write(REQUEST));
    socket.once('data', (data: Buffer) => {
      const line = data.toString('latin1', 0, 12);
      if (line === 'HTTP/1.1 200') resolve(socket);
      else reject(new Error(`it answers ${line}`));
    });
  });
}

function close(all: readonly Socket[]): void {
  for (const socket of all) socket.destroy();
}

function configuration(ports: { plain: number; tls: number }, { chain, key, roots }: CertificateFiles): object {
  const tls = { mode: 'MUTUAL', serverCertificate: chain, privateKey: key, caCertificates: roots };
  const servers = [
    { port: { number: ports.plain, name: 'http', protocol: 'HTTP' }, hosts: ['*'] },
    { port: { number: ports.tls, name: 'https', protocol: 'HTTPS' }, hosts: ['*'], tls },
  ];
  const metadata = { name: 'bench', namespace: 'istio-system' };
  const apiVersion = 'networking.istio.io/v1';
  const http = [{ directResponse: { status: 200 } }];
  const items = [
    { apiVersion, kind: 'Gateway', metadata, spec: { servers } },
    { apiVersion, kind: 'VirtualService', metadata, spec: { hosts: ['*'], gateways: ['bench'], http } },
  ];
  return { apiVersion: 'v1', kind: 'List', items };
}
