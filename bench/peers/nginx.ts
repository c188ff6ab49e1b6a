// Peer: Debian's nginx, one worker, upstream connections kept, no access log, and no header more than it must add.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../ports.ts';
import { versionOf, whyAbsent } from '../programs.ts';
import { nginxCommand, nginxConfiguration } from './nginx-configuration.ts';
import type { Peer } from './peer.ts';

export const nginx: Peer = {
  name: 'nginx',
  missing: () => whyAbsent('nginx'),
  version: () => versionOf('nginx', ['-v']),
  async start({ children, folder, upstreamPort }) {
    const port = await freePort();
    const file = join(folder, 'nginx.conf');
    writeFileSync(
      file,
      nginxConfiguration(
        folder,
        `upstream application { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000000; }
         server {
           listen 127.0.0.1:${port};
           location / { proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection ""; }
         }`,
      ),
    );
    const child = children.start(...nginxCommand(file, folder));
    return { origin: `http://127.0.0.1:${port}`, process: child };
  },
};
