// Two nginx with mutual TLS between them, connections kept: a caller's side and a server's. The caller does not verify whose the server's
// certificate is, as nginx knows no SPIFFE ids: that is in handshakes alone, of which a load has one for each connection.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CertificateFiles, writeCertificate } from '../certificates.ts';
import { freePort } from '../ports.ts';
import { nginxCommand, nginxConfiguration } from './nginx-configuration.ts';
import type { PeerSetting, RunningPeer } from './peer.ts';

const KEPT = 'keepalive 8192; keepalive_requests 1000000000;';
const PASSED = 'proxy_http_version 1.1; proxy_set_header Connection "";';

export async function startNginxPair({ children, folder, upstreamPort }: PeerSetting): Promise<RunningPeer> {
  const files = await writeCertificate(folder);
  const [caller, server] = [await freePort(), await freePort()];
  const start = (name: string, http: string) => {
    const file = join(folder, `${name}.conf`);
    writeFileSync(file, nginxConfiguration(folder, http).replace('nginx.pid', `${name}.pid`));
    return children.start(...nginxCommand(file, folder));
  };
  const processes = [
    start('server', serving(server, upstreamPort, files)),
    start('caller', calling(caller, server, files)),
  ];
  return { origin: `http://127.0.0.1:${caller}`, processes };
}

function serving(port: number, upstream: number, { key, chain, roots }: CertificateFiles): string {
  return `upstream application { server 127.0.0.1:${upstream}; ${KEPT} }
  server {
    listen 127.0.0.1:${port} ssl backlog=4096;
    ssl_certificate ${chain}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3;
    ssl_verify_client on; ssl_client_certificate ${roots}; ssl_verify_depth 3;
    location / { proxy_pass http://application; ${PASSED} }
  }`;
}

function calling(port: number, server: number, { key, chain }: CertificateFiles): string {
  return `upstream server { server 127.0.0.1:${server}; ${KEPT} }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass https://server; ${PASSED}
      proxy_ssl_certificate ${chain}; proxy_ssl_certificate_key ${key}; proxy_ssl_protocols TLSv1.3;
    }
  }`;
}
