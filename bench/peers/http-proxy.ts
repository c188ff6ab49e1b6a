// Peer: http-proxy, which much of Node's tooling still passes requests on with. Its last release is of 2020, so the
// project does not depend on it: it is fetched for the run.

import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../ports.ts';
import { isPlain } from '../setups.ts';
import { cacheFolder, fetchFromNpm } from './fetched.ts';
import type { Peer } from './peer.ts';

const VERSION = '1.18.1';
const folder = cacheFolder(`http-proxy-${VERSION}`);
const application = fileURLToPath(new URL(`./http-proxy-app${extname(import.meta.filename)}`, import.meta.url));

export const httpProxy: Peer = {
  name: 'http-proxy',
  prepare: () =>
    fetchFromNpm(`http-proxy@${VERSION}`, folder, join(folder, 'node_modules', 'http-proxy', 'package.json')),
  version: () => `http-proxy ${VERSION}, node ${process.version}`,
  lacks: (setup) =>
    isPlain(setup) && setup.routes === 1 && setup.services === 0 ? null : 'http-proxy passes on and nothing else',
  async start({ children, upstreamPort }) {
    const port = await freePort();
    const args = ['--no-deprecation', application, String(port), `http://127.0.0.1:${upstreamPort}`, folder];
    const child = children.start(process.execPath, args, { NODE_ENV: 'production' });
    return { origin: `http://127.0.0.1:${port}`, processes: [child] };
  },
};
