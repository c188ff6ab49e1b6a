// Peer: Debian's nginx, a worker for each shard, upstream connections kept, no access log, and no header more than it must add.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../ports.ts';
import { versionOf, whyAbsent } from '../programs.ts';
import { isPlain, routePrefixes, serviceHosts } from '../setups.ts';
import { nginxCommand, nginxConfiguration } from './nginx-configuration.ts';
import { startNginxPair } from './nginx-pair.ts';
import type { Peer } from './peer.ts';

const PASS = 'proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection "";';

export const nginx: Peer = {
  name: 'nginx',
  prepare: async () => whyAbsent('nginx'),
  version: () => versionOf('nginx', ['-v']),
  lacks: (setup) => (isPlain({ ...setup, shards: 1, pair: 'none' }) ? null : 'nginx passes on and nothing else'),
  async start(setting) {
    const { children, folder, upstreamPort, setup } = setting;
    if (setup.pair !== 'none') return startNginxPair(setting);
    const port = await freePort();
    const file = join(folder, 'nginx.conf');
    const locations = (first: string): string =>
      [first, ...routePrefixes(setup).map((prefix) => `location ${prefix} { ${PASS} }`)].join('\n');
    const services = serviceHosts(setup).map(
      (host, i) => `upstream service-${i} { server 127.0.0.1:${upstreamPort}; keepalive 32; }
        server { listen 127.0.0.1:${port}; server_name ${host}; location / { proxy_pass http://service-${i}; } }`,
    );
    const write = (first: string): void => {
      const http = `upstream application { server 127.0.0.1:${upstreamPort}; keepalive 8192; keepalive_requests 1000000000; }
        client_max_body_size 0;
        server_names_hash_max_size 8192;
        server { listen 127.0.0.1:${port} default_server reuseport backlog=4096; ${locations(first)} }
        ${services.join('\n')}`;
      writeFileSync(file, nginxConfiguration(folder, http, setup.shards));
    };
    write('');
    const child = children.start(...nginxCommand(file, folder));
    return {
      origin: `http://127.0.0.1:${port}`,
      processes: [child],
      async addRoute(path) {
        write(`location = ${path} { proxy_pass http://application/300; proxy_http_version 1.1; }`);
        process.kill(child.pid, 'SIGHUP');
      },
    };
  },
};
