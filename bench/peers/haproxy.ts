// Peer: Debian's HAProxy, one thread, upstream connections shared and kept, no log.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCertificate } from '../certificates.ts';
import { freePort } from '../ports.ts';
import { versionOf, whyAbsent } from '../programs.ts';
import { isPlainBut, routePrefixes, type Setup } from '../setups.ts';
import type { Peer } from './peer.ts';

export const haproxy: Peer = {
  name: 'haproxy',
  prepare: async () => whyAbsent('haproxy'),
  version: () => versionOf('haproxy', ['-v']),
  lacks: (setup) =>
    isPlainBut(setup, ['http1', 'h2', 'tls', 'bytes']) && setup.services === 0
      ? null
      : 'HAProxy is measured as one frontend that passes on',
  async start({ children, folder, upstreamPort, setup }) {
    const port = await freePort();
    const file = join(folder, 'haproxy.cfg');
    const { bind, mode, server } = await protocolOf(setup.speaks, folder);
    const rules = routePrefixes(setup).map((prefix) => `  use_backend application if { path_beg ${prefix} }`);
    writeFileSync(
      file,
      `global
  maxconn 9500
  nbthread 1
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 600s
  timeout server 600s
${mode === 'http' ? '  option http-keep-alive\n  http-reuse always' : ''}
  timeout tunnel 600s
frontend in
  bind 127.0.0.1:${port} backlog 4096${bind}
${rules.join('\n')}
backend application
  server application 127.0.0.1:${upstreamPort} ${server}
`,
    );
    const child = children.start('haproxy', ['-db', '-f', file]);
    return { origin: `${setup.speaks === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}`, processes: [child] };
  },
};

async function protocolOf(
  speaks: Setup['speaks'],
  folder: string,
): Promise<{ readonly bind: string; readonly mode: 'http' | 'tcp'; readonly server: string }> {
  const pool = 'pool-max-conn -1 pool-purge-delay 600s';
  if (speaks === 'bytes') return { bind: '', mode: 'tcp', server: '' };
  if (speaks === 'h2') return { bind: ' proto h2', mode: 'http', server: `${pool} proto h2` };
  if (speaks === 'http1') return { bind: '', mode: 'http', server: pool };
  const { key, chain } = await writeCertificate(folder);
  const file = join(folder, 'bench.pem');
  writeFileSync(file, `${readFileSync(chain, 'utf8')}${readFileSync(key, 'utf8')}`, { mode: 0o600 });
  return { bind: ` ssl crt ${file} alpn http/1.1 ssl-min-ver TLSv1.3`, mode: 'http', server: pool };
}
