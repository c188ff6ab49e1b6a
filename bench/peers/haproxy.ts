// Peer: Debian's HAProxy, one thread, upstream connections shared and kept, no log.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../ports.ts';
import { versionOf, whyAbsent } from '../programs.ts';
import { isPlain, routePrefixes } from '../setups.ts';
import type { Peer } from './peer.ts';

export const haproxy: Peer = {
  name: 'haproxy',
  prepare: async () => whyAbsent('haproxy'),
  version: () => versionOf('haproxy', ['-v']),
  lacks: (setup) =>
    isPlain(setup) && setup.services === 0 ? null : 'HAProxy is measured as one frontend that passes on',
  async start({ children, folder, upstreamPort, setup }) {
    const port = await freePort();
    const file = join(folder, 'haproxy.cfg');
    const rules = routePrefixes(setup).map((prefix) => `  use_backend application if { path_beg ${prefix} }`);
    writeFileSync(
      file,
      `global
  maxconn 9500
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option http-keep-alive
  http-reuse always
frontend in
  bind 127.0.0.1:${port} backlog 4096
${rules.join('\n')}
backend application
  server application 127.0.0.1:${upstreamPort} pool-max-conn -1 pool-purge-delay 600s
`,
    );
    const child = children.start('haproxy', ['-db', '-f', file]);
    return { origin: `http://127.0.0.1:${port}`, processes: [child] };
  },
};
