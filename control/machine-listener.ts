// The API once more, where other machines reach it: the same routes by TLS, and in plain text nowhere but on loopback.
import { constants } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ServerTls } from '../bus/server/server.ts';
import { nodeHttps } from '../core/fetch/node-http.ts';
import { hostPort } from '../core/host-port.ts';
import { type ClientAuthority, openRevocationList } from './access/certificates.ts';
import type { App } from './routes/app.ts';

export interface MachineListenerOptions {
  readonly tls: ServerTls;
  readonly port: number;
  /** Whose certificates clients may come with. Default: none is asked for. */
  readonly clients?: ClientAuthority;
  onLog(line: string): void;
}

export interface MachineListener {
  /** 'https://10.0.0.5:15010' */
  readonly url: string;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 4_096;
const REQUEST_MS = 60_000;
/** Who has none, or none that counts, may have a token. A session that is resumed is compared with no revocation list: there are none. */
const ASKING = { requestCert: true, rejectUnauthorized: false };

/** `app` is ready. Throws an Error in one sentence when the address cannot be had. */
export async function listenForMachines(app: App, options: MachineListenerOptions): Promise<MachineListener> {
  const { tls, port, clients, onLog } = options;
  const { address, key, chain } = tls;
  const file = clients?.crlFile;
  const crl =
    file === undefined ? null : await openRevocationList({ file, lookMs: clients?.lookMs, changed: recheck, onLog });
  const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, handshakeTimeout: 10_000 };
  const secureContext = () => ({
    ...{ key, cert: chain, minVersion: 'TLSv1.2' as const },
    ...(clients !== undefined && { ca: clients.ca, secureOptions: constants.SSL_OP_NO_TICKET }),
    ...(crl !== null && { crl: crl.credential!.crl }),
  });
  /** Those that came with a certificate. */
  const certified = new Set<TLSSocket>();
  const server = nodeHttps().createServer(
    { ...limits, ...secureContext(), ...(clients !== undefined && ASKING) },
    (request, response) => {
      app.server.emit('request', request, response);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  // Whoever does not get through the handshake is no client.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  if (clients !== undefined) {
    server.on('secureConnection', (socket) => {
      if (socket.getPeerCertificate().subject === undefined) return;
      certified.add(socket);
      socket.once('close', () => certified.delete(socket));
    });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      crl?.close();
      const why = REASONS[error.code ?? ''] ?? error.message;
      reject(new Error(`the control plane cannot listen on ${hostPort(address, port)}: ${why}`));
    });
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  // Whoever is connected has to show anew that it still counts.
  function recheck(): void {
    server.setSecureContext(secureContext());
    for (const socket of certified) socket.destroy();
  }
  const bound = server.address() as { port: number };
  return {
    url: `https://${hostPort(address, bound.port)}`,
    close: () =>
      new Promise((resolve) => {
        crl?.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use',
  EADDRNOTAVAIL: 'that is no address of this machine',
};
