// node bench/conformance/envoy-peer.ts: a real Envoy at the other end of the mesh's mutual TLS, with a certificate of the mesh's authority: as the
// client of a sidecar, in HTTP/1.1 and HTTP/2, and as the server that a sidecar calls. Each side decides by who the other one proves to be.
// Prints what was not as it should be, and ends with 1 when there was anything.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateRequest, newKey } from '../../core/main/certificate-request.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { ready } from '../bookinfo/weft.ts';
import { type CertificateFiles, startSigner } from '../certificates.ts';
import { type Child, Children } from '../children.ts';
import { resource } from '../edge.ts';
import { envoy, envoyCommand } from '../peers/envoy.ts';
import { type Ends, envoyEnds } from '../peers/envoy-ends.ts';
import { freePort } from '../ports.ts';
import { upstreamCommand } from '../upstream.ts';

const MESH = join(import.meta.dirname, '../../cli/mesh.ts');
const START_MS = 20_000;
const SIZE = 300;
const principal = (account: string): string => `cluster.local/ns/default/sa/${account}`;

interface Asked {
  readonly what: string;
  readonly at: string;
  readonly host: string;
  readonly expected: string;
}

async function main(): Promise<number> {
  tellUsage(
    'node bench/conformance/envoy-peer.ts: an Envoy at the other end of mutual TLS with sidecars, in both roles',
  );
  const missing = await envoy.prepare();
  if (missing !== null) {
    console.error(`no Envoy: ${missing}`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'weft-envoy-'));
  const children = new Children();
  const mesh = (...args: string[]): Child => children.start(process.execPath, [MESH, ...args], { MESH_HOME: folder });
  try {
    await ready(mesh('up', '--port', '0', '--json'));
    const ends = await startEnds(folder, children, mesh);
    const wrong: string[] = [];
    for (const { what, at, host, expected } of ends) {
      const answer = await answered(at, host, expected);
      console.log(`${answer === expected ? 'as it should be' : `WRONG (${answer})`}: ${what}: ${expected}`);
      if (answer !== expected) wrong.push(what);
    }
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await children.stop(20_000);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Everything runs: what is to be asked of whom. */
async function startEnds(
  folder: string,
  children: Children,
  mesh: (...args: string[]) => Child,
): Promise<readonly Asked[]> {
  const [port, h1, h2, server] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const [command, args] = upstreamCommand(join(folder, 'application'), port, [SIZE]);
  const run = (...rest: string[]): Child => mesh('run', '--json', ...rest);
  const serving = ['--service', 'api', '--service-account', 'api', '--port', String(port), '--protocol', 'http'];
  const api = run(...serving, '--', command, ...args);
  await ready(api);
  const friend = run('--service', 'load', '--service-account', 'load', '--', 'sleep', '86400');
  const stranger = run('--service', 'other', '--service-account', 'other', '--', 'sleep', '86400');
  await Promise.all([ready(friend), ready(stranger)]);
  const file = join(folder, 'mesh.json');
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: rules(server) }));
  const applied = mesh('apply', '--wait', '-f', file);
  await applied.ended;
  if (!applied.output().includes('revision 1')) throw new Error(`mesh apply failed: ${applied.output()}`);
  const files = await certificate(folder);
  const inbound = new URL(said(api).inbound);
  const configuration: Ends = {
    files,
    sidecar: { host: inbound.hostname, port: Number(inbound.port), account: `spiffe://${principal('api')}` },
    clients: { h1, h2 },
    server: { port: server, to: port, allowed: `spiffe://${principal('load')}` },
  };
  const envoyFile = join(folder, 'envoy.json');
  writeFileSync(envoyFile, JSON.stringify(envoyEnds(configuration)));
  children.start(...envoyCommand(envoyFile));
  const good = `200 with ${SIZE} B`;
  return [
    { what: 'Envoy calls a sidecar in HTTP/1.1', at: `http://127.0.0.1:${h1}`, host: 'api', expected: good },
    { what: 'Envoy calls a sidecar in HTTP/2', at: `http://127.0.0.1:${h2}`, host: 'api', expected: good },
    { what: 'a sidecar calls another as nobody allowed', at: said(friend).outbound, host: 'api', expected: '403' },
    { what: 'a sidecar calls Envoy', at: said(friend).outbound, host: 'envoy.test', expected: good },
    {
      what: 'one that Envoy does not allow calls it',
      at: said(stranger).outbound,
      host: 'envoy.test',
      expected: '403',
    },
    { what: 'a sidecar expects another name of Envoy', at: said(friend).outbound, host: 'wrong.test', expected: '503' },
  ];
}

function said(child: Child): { inbound: string; outbound: string } {
  return JSON.parse(child.output().slice(child.output().indexOf('{'))) as { inbound: string; outbound: string };
}

/** Of the mesh's own authority, whose files are in its folder. */
async function certificate(folder: string): Promise<CertificateFiles> {
  const sign = await startSigner(join(folder, 'authority'));
  const key = newKey();
  const who = { namespace: 'default', serviceAccount: 'envoy', node: 'envoy' };
  const { chain, roots } = await sign(who, certificateRequest(key));
  const at = (name: string): string => join(folder, `envoy-${name}.pem`);
  const files = { key: at('key'), chain: at('chain'), roots: at('roots') };
  writeFileSync(files.key, key, { mode: 0o600 });
  writeFileSync(files.chain, chain);
  writeFileSync(files.roots, roots);
  return files;
}

function rules(server: number): object[] {
  const entry = (name: string): object =>
    resource('networking.istio.io/v1', 'ServiceEntry', name, {
      hosts: [`${name}.test`],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      endpoints: [{ address: '127.0.0.1', ports: { http: server }, serviceAccount: 'envoy' }],
    });
  const mutual = (name: string, account: string): object =>
    resource('networking.istio.io/v1', 'DestinationRule', name, {
      host: `${name}.test`,
      trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL', subjectAltNames: [`spiffe://${principal(account)}`] } },
    });
  return [
    resource('security.istio.io/v1', 'PeerAuthentication', 'default', { mtls: { mode: 'STRICT' } }),
    resource('security.istio.io/v1', 'AuthorizationPolicy', 'api', {
      selector: { matchLabels: { app: 'api' } },
      rules: [{ from: [{ source: { principals: [principal('envoy')] } }] }],
    }),
    ...[entry('envoy'), entry('wrong')],
    ...[mutual('envoy', 'envoy'), mutual('wrong', 'somebody-else')],
  ];
}

/** Asked until it is as expected, or for as long as a start may take. */
async function answered(at: string, host: string, expected: string): Promise<string> {
  const { request } = await import('node:http');
  const { buffer } = await import('node:stream/consumers');
  const once = (): Promise<string> =>
    new Promise((resolve) => {
      const sent = request(`${at}/${SIZE}`, { agent: false, headers: { host } }, (response) => {
        buffer(response).then(
          ({ length }) => resolve(response.statusCode === 200 ? `200 with ${length} B` : `${response.statusCode}`),
          (error: Error) => resolve(error.message),
        );
      });
      sent.on('error', (error) => resolve(error.message));
      sent.end();
    });
  const deadline = performance.now() + START_MS;
  for (;;) {
    const answer = await once();
    if (answer === expected || performance.now() > deadline) return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

process.exitCode = await main();
