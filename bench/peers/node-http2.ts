// Peer: what one writes with Node's own HTTP/2.

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../ports.ts';
import { isPlainBut } from '../setups.ts';
import type { Peer } from './peer.ts';

const application = fileURLToPath(new URL(`./node-http2-app${extname(import.meta.filename)}`, import.meta.url));

export const nodeHttp2: Peer = {
  name: 'node-http2',
  prepare: async () => null,
  version: () => `node:http2, node ${process.version}`,
  lacks: (setup) => (isPlainBut(setup, ['h2']) ? null : 'node:http2 is measured in HTTP/2 only'),
  async start({ children, upstreamPort }) {
    const port = await freePort();
    const child = children.start(process.execPath, [application, String(port), `http://127.0.0.1:${upstreamPort}`], {
      NODE_ENV: 'production',
    });
    return { origin: `http://127.0.0.1:${port}`, processes: [child] };
  },
};
