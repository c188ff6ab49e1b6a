// Peer: weft as a plain reverse proxy, configured by a folder of Istio YAML, one shard.

import { readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../ports.ts';
import type { Peer } from './peer.ts';

const root = new URL('../../', import.meta.url);
const mesh = fileURLToPath(new URL(`cli/mesh${extname(import.meta.filename)}`, root));

export const weft: Peer = {
  name: 'weft',
  missing: () => null,
  version: () =>
    `weft ${JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).version}, node ${process.version}`,
  async start({ children, folder, upstreamPort }) {
    const port = await freePort();
    writeFileSync(join(folder, 'proxy.yaml'), configuration(port, upstreamPort));
    const args = [mesh, 'proxy', '--config', folder, '--shards', '1', '--access-log', 'off'];
    const child = children.start(process.execPath, args, { MESH_HOME: join(folder, '.mesh') });
    return { origin: `http://127.0.0.1:${port}`, process: child };
  },
};

function configuration(port: number, upstreamPort: number): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench }
spec:
  servers:
    - port: { number: ${port}, name: http, protocol: HTTP }
      hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: application }
spec:
  hosts: [application.bench]
  ports: [{ number: ${upstreamPort}, name: http, protocol: HTTP }]
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: application }
spec:
  hosts: ['*']
  gateways: [bench]
  http:
    - route: [{ destination: { host: application.bench, port: { number: ${upstreamPort} } } }]
`;
}
