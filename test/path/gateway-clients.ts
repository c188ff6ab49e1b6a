// For tests of TLS at gateways: a gateway with a credential for each of its servers, and clients that say how it went.

import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Credential } from '../../core/credential.ts';

export const NO_CREDENTIAL: Credential = { cert: '', key: '', ca: '', crl: '' };

export interface Asked extends Omit<ConnectionOptions, 'port' | 'host'> {
  readonly port: number;
  /** What is sent, once the handshake is done; one request of this host without it. */
  readonly host?: string;
  readonly send?: string;
}

export interface Told {
  /** All that came, or how the handshake ended: 'error ECONNRESET', 'closed'. */
  readonly text: string;
  readonly status: number;
  readonly protocol: string;
  readonly alpn: string;
  readonly subject: string;
  readonly session: Buffer | null;
  readonly resumed: boolean;
}

/** One connection, until it is closed. */
export function overTls({ host = 'a.test', send, ...options }: Asked): Promise<Told> {
  const { promise, resolve } = Promise.withResolvers<Told>();
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    servername: 'a.test',
    checkServerIdentity: () => undefined,
    ...options,
  });
  let text = '';
  let facts = { protocol: '', alpn: '', subject: '', resumed: false };
  let session: Buffer | null = null;
  socket.setTimeout(20_000, () => socket.destroy(new Error(`nothing came for 20 s; so far: ${text}`)));
  socket.on('session', (given) => {
    session = given;
  });
  socket.on('secureConnect', () => {
    facts = {
      protocol: socket.getProtocol() ?? '',
      alpn: String(socket.alpnProtocol),
      subject: socket.getPeerX509Certificate()?.subject ?? '',
      resumed: socket.isSessionReused(),
    };
  });
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (text === '') text = `error ${error.code ?? error.message}`;
  });
  socket.on('close', () => {
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
    resolve({ text: text === '' ? 'closed' : text, status, ...facts, session });
  });
  socket.write(send ?? `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  return promise;
}

/** What a client says first. */
export async function helloOf(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      resolve(chunk);
      done();
    },
  });
  const client = connect({ socket, servername: 'a.test' });
  client.on('error', () => undefined);
  const whole = await promise;
  client.destroy();
  return whole;
}
