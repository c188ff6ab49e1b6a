// Peer: Debian's nginx, a worker for each shard, upstream connections kept, no access log, and no header more than it must add.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCertificate } from '../certificates.ts';
import { freePort } from '../ports.ts';
import { versionOf, whyAbsent } from '../programs.ts';
import { isPlainBut, routePrefixes, type Setup, serviceHosts } from '../setups.ts';
import { nginxCommand, nginxConfiguration } from './nginx-configuration.ts';
import { startNginxPair } from './nginx-pair.ts';
import type { Peer } from './peer.ts';

const PASS = 'proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection "";';

export const nginx: Peer = {
  name: 'nginx',
  prepare: async () => whyAbsent('nginx'),
  version: () => versionOf('nginx', ['-v']),
  lacks(setup) {
    if (setup.speaks === 'h2' && setup.behind === 'h2') return 'nginx passes HTTP/2 on as gRPC only';
    return isPlainBut({ ...setup, shards: 1, pair: 'none' }, ['http1', 'h2', 'tls'])
      ? null
      : 'nginx passes on and nothing else';
  },
  async start(setting) {
    const { children, folder, upstreamPort, setup } = setting;
    if (setup.pair !== 'none') return startNginxPair(setting);
    const port = await freePort();
    const file = join(folder, 'nginx.conf');
    const { listen, pass, besides } = await protocolOf(setup, folder);
    const locations = (first: string): string =>
      [first, ...routePrefixes(setup).map((prefix) => `location ${prefix} { ${pass} }`)].join('\n');
    const services = serviceHosts(setup).map(
      (host, i) => `upstream service-${i} { server 127.0.0.1:${upstreamPort}; keepalive 32; }
        server { listen 127.0.0.1:${port}; server_name ${host}; location / { proxy_pass http://service-${i}; } }`,
    );
    const write = (first: string): void => {
      const http = `upstream application { server 127.0.0.1:${upstreamPort}; keepalive 8192; keepalive_requests 1000000000; }
        client_max_body_size 0;
        server_names_hash_max_size 8192;
        server { listen 127.0.0.1:${port} default_server reuseport backlog=4096${listen}; ${besides} ${locations(first)} }
        ${services.join('\n')}`;
      writeFileSync(file, nginxConfiguration(folder, http, setup.shards));
    };
    write('');
    const child = children.start(...nginxCommand(file, folder));
    return {
      origin: `${setup.speaks === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}`,
      processes: [child],
      async addRoute(path) {
        write(`location = ${path} { proxy_pass http://application/300; proxy_http_version 1.1; }`);
        process.kill(child.pid, 'SIGHUP');
      },
    };
  },
};

async function protocolOf(
  { speaks, behind }: Setup,
  folder: string,
): Promise<{ readonly listen: string; readonly pass: string; readonly besides: string }> {
  if (behind === 'websocket') {
    const upgraded = PASS.replace('Connection ""', 'Connection "Upgrade"');
    return { listen: '', pass: `${upgraded} proxy_set_header Upgrade $http_upgrade;`, besides: '' };
  }
  if (speaks === 'h2') {
    const besides = 'http2_max_concurrent_streams 1000;';
    return { listen: ' http2', pass: 'grpc_pass grpc://application;', besides };
  }
  if (speaks !== 'tls') return { listen: '', pass: PASS, besides: '' };
  const { key, chain } = await writeCertificate(folder);
  const besides = `ssl_certificate ${chain}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3;`;
  return { listen: ' ssl', pass: PASS, besides };
}
