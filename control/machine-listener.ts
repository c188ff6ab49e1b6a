// The API once more, where other machines reach it: the same routes by TLS, and in plain text nowhere but on loopback.
import type { ServerTls } from '../bus/server.ts';
import { nodeHttps } from '../core/fetch/node-http.ts';
import { hostPort } from '../core/host-port.ts';
import type { App } from './routes/app.ts';

export interface MachineListener {
  /** 'https://10.0.0.5:15010' */
  readonly url: string;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 4_096;
const REQUEST_MS = 60_000;

/** `app` is ready. Throws an Error in one sentence when the address cannot be had. */
export async function listenForMachines(app: App, tls: ServerTls, port: number): Promise<MachineListener> {
  const { address, key, chain } = tls;
  const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, handshakeTimeout: 10_000 };
  const server = nodeHttps().createServer(
    { ...limits, key, cert: chain, minVersion: 'TLSv1.2' },
    (request, response) => {
      app.server.emit('request', request, response);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  // Whoever does not get through the handshake is no client.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = REASONS[error.code ?? ''] ?? error.message;
      reject(new Error(`the control plane cannot listen on ${hostPort(address, port)}: ${why}`));
    });
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  const bound = server.address() as { port: number };
  return {
    url: `https://${hostPort(address, bound.port)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use',
  EADDRNOTAVAIL: 'that is no address of this machine',
};
