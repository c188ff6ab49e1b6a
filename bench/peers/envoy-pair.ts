// Two Envoys with mutual TLS between them: a caller's side and a server's.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CertificateFiles, writeCertificate } from '../certificates.ts';
import { freePort } from '../ports.ts';
import { type Way, waysConfiguration } from './envoy-configuration.ts';
import type { PeerSetting, RunningPeer } from './peer.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

/** `command`: of an Envoy with the configuration in a file. */
export async function startEnvoyPair(
  { children, folder, upstreamPort }: PeerSetting,
  command: (file: string) => readonly [program: string, args: readonly string[]],
): Promise<RunningPeer> {
  const common = commonContext(await writeCertificate(folder));
  const [caller, server] = [await freePort(), await freePort()];
  const start = (way: Way) => {
    const file = join(folder, `${way.name}.json`);
    writeFileSync(file, JSON.stringify(waysConfiguration([way])));
    return children.start(...command(file));
  };
  const downstream = socket('DownstreamTlsContext', { ...common, require_client_certificate: true });
  const processes = [
    start({ name: 'server', port: server, to: upstreamPort, downstream }),
    start({ name: 'caller', port: caller, to: server, upstream: socket('UpstreamTlsContext', common) }),
  ];
  return { origin: `http://127.0.0.1:${caller}`, processes };
}

function commonContext({ key, chain, roots }: CertificateFiles): object {
  return {
    common_tls_context: {
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
      tls_certificates: [{ certificate_chain: { filename: chain }, private_key: { filename: key } }],
      validation_context: { trusted_ca: { filename: roots } },
    },
  };
}

function socket(type: string, context: object): object {
  return { name: 'envoy.transport_sockets.tls', typed_config: { '@type': `${TLS}.${type}`, ...context } };
}
