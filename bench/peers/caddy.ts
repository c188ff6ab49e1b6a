// Peer: Debian's Caddy on one processor, upstream connections kept, no access log.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../ports.ts';
import { versionOf, whyAbsent } from '../programs.ts';
import { isPlain } from '../setups.ts';
import type { Peer } from './peer.ts';

export const caddy: Peer = {
  name: 'caddy',
  prepare: async () => whyAbsent('caddy'),
  version: () => `caddy ${versionOf('caddy', ['version'])}`,
  lacks: (setup) =>
    isPlain(setup) && setup.routes === 1 && setup.services === 0 ? null : 'Caddy is measured as a plain proxy only',
  async start({ children, folder, upstreamPort }) {
    const port = await freePort();
    const file = join(folder, 'Caddyfile');
    writeFileSync(
      file,
      `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${upstreamPort} {
    transport http {
      keepalive 600s
      keepalive_idle_conns 8192
      keepalive_idle_conns_per_host 8192
      compression off
    }
  }
}
`,
    );
    const home = { GOMAXPROCS: '1', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    const child = children.start('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], home);
    return { origin: `http://127.0.0.1:${port}`, processes: [child] };
  },
};
