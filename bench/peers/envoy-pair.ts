// Two Envoys with mutual TLS between them: a caller's side and a server's.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCertificate } from '../certificates.ts';
import { freePort } from '../ports.ts';
import { type Way, waysConfiguration } from './envoy-configuration.ts';
import { tlsContext, tlsSocket } from './envoy-tls.ts';
import type { PeerSetting, RunningPeer } from './peer.ts';

/** `command`: of an Envoy with the configuration in a file. */
export async function startEnvoyPair(
  { children, folder, upstreamPort }: PeerSetting,
  command: (file: string) => readonly [program: string, args: readonly string[]],
): Promise<RunningPeer> {
  const common = tlsContext(await writeCertificate(folder));
  const [caller, server] = [await freePort(), await freePort()];
  const start = (way: Way) => {
    const file = join(folder, `${way.name}.json`);
    writeFileSync(file, JSON.stringify(waysConfiguration([way])));
    return children.start(...command(file));
  };
  const downstream = tlsSocket('DownstreamTlsContext', { ...common, require_client_certificate: true });
  const processes = [
    start({ name: 'server', port: server, to: upstreamPort, downstream }),
    start({ name: 'caller', port: caller, to: server, upstream: tlsSocket('UpstreamTlsContext', common) }),
  ];
  return { origin: `http://127.0.0.1:${caller}`, processes };
}
