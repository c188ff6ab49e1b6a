// Peer: @fastify/reply-from behind Fastify, what a Node user would take. Needs nothing but npm.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../ports.ts';
import { isPlain } from '../setups.ts';
import type { Peer } from './peer.ts';

const application = fileURLToPath(new URL(`./reply-from-app${extname(import.meta.filename)}`, import.meta.url));
const { resolve } = createRequire(import.meta.url);

export const replyFrom: Peer = {
  name: 'reply-from',
  prepare: async () => (entry('@fastify/reply-from') === null ? '@fastify/reply-from is not installed: npm ci' : null),
  version: () => `@fastify/reply-from ${installed('@fastify/reply-from')}, fastify ${installed('fastify')}`,
  lacks: (setup) =>
    isPlain(setup) && setup.routes === 1 && setup.services === 0
      ? null
      : 'reply-from is measured as a plain proxy only',
  async start({ children, upstreamPort }) {
    const port = await freePort();
    const args = [application, String(port), `http://127.0.0.1:${upstreamPort}`];
    const child = children.start(process.execPath, args, { NODE_ENV: 'production' });
    return { origin: `http://127.0.0.1:${port}`, processes: [child] };
  },
};

function installed(name: string): string {
  return JSON.parse(readFileSync(join(dirname(entry(name)!), 'package.json'), 'utf8')).version;
}

/** The package's main file, which lies beside its package.json; null when it is not installed. */
function entry(name: string): string | null {
  try {
    return resolve(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}
