// node bench/conformance/h2spec.ts: h2spec, its strict cases too, against a gateway in plain text and over TLS. Prints what fails and ends
// with 1 when that is anything but what is meant. `h2spec` has to be on PATH.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tellUsage } from '../../scripts/usage.ts';
import { writeCertificate } from '../certificates.ts';
import { Children } from '../children.ts';
import { edge } from '../edge.ts';
import { answers, freePort } from '../ports.ts';
import { find } from '../programs.ts';

const MESH = join(import.meta.dirname, '../../cli/mesh.ts');
const START_MS = 60_000;
const MOST_MS = 300_000;
const KEPT_BYTES = 1 << 20;
/** In plain text a port takes HTTP/1.1 as well, and what is no preface is answered in that, with 400. */
const MEANT = ['Sends invalid connection preface'];

async function main(): Promise<number> {
  tellUsage(
    'node bench/conformance/h2spec.ts: h2spec against a gateway; exit code 1 when another case fails than is meant to',
  );
  if (find('h2spec') === null) {
    console.error('h2spec is not on PATH (go install github.com/summerwind/h2spec/cmd/h2spec@latest)');
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'weft-h2spec-'));
  const children = new Children();
  const upstream = createServer((request, response) => {
    request.resume().on('end', () => response.end('x'.repeat(300)));
  });
  try {
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const ports = await gateway(children, folder, (upstream.address() as AddressInfo).port);
    const plain = await failed(children, ['--port', `${ports.plain}`]);
    const tls = await failed(children, ['--port', `${ports.tls}`, '--tls', '--insecure']);
    console.log(`in plain text: ${plain.summary}; over TLS: ${tls.summary}`);
    const wrong = [...plain.cases.filter((name) => !MEANT.includes(name)), ...tls.cases];
    for (const name of wrong) console.log(`fails: ${name}`);
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await children.stop();
    upstream.closeAllConnections();
    upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Its ports, once it answers. */
async function gateway(children: Children, folder: string, upstream: number): Promise<{ plain: number; tls: number }> {
  const [plain, tls, admin] = [await freePort(), await freePort(), await freePort()];
  const { key, chain } = await writeCertificate(folder);
  const config = join(folder, 'config');
  mkdirSync(config);
  const secure = edge(tls, upstream).slice(0, 1) as { metadata: { name: string }; spec: { servers: object[] } }[];
  const [all, ...rest] = edge(plain, upstream) as typeof secure;
  all.spec.servers.push({
    ...secure[0].spec.servers[0],
    port: { number: tls, name: 'https', protocol: 'HTTPS' },
    tls: { mode: 'SIMPLE', serverCertificate: chain, privateKey: key },
  });
  const items = [all, ...rest];
  writeFileSync(join(config, 'proxy.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const args = ['proxy', '--config', config, '--shards', '1', '--access-log', 'off', '--admin', `127.0.0.1:${admin}`];
  const child = children.start(process.execPath, [MESH, ...args], { MESH_HOME: join(folder, '.mesh') });
  const waiting = { timeoutMs: START_MS, alive: () => child.alive() };
  await answers(`http://127.0.0.1:${plain}/`, { bytes: 300, h2: true }, waiting);
  return { plain, tls };
}

async function failed(children: Children, where: readonly string[]): Promise<{ summary: string; cases: string[] }> {
  const child = children.start('h2spec', ['--strict', ...where], {}, KEPT_BYTES);
  const late = setTimeout(() => void children.end(child), MOST_MS);
  await child.ended;
  clearTimeout(late);
  const said = child.output();
  const [failures = ''] = said.split('\nFailures:').slice(1);
  return {
    summary: /^\d+ tests, .*$/m.exec(said)?.[0] ?? `h2spec said: ${said.slice(-200)}`,
    cases: [...failures.matchAll(/× \d+: (.*)$/gm)].map(([, name]) => name),
  };
}

process.exitCode = await main();
