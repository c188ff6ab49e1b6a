// The server's side of mutual TLS: a handshake on an accepted socket, after which whoever is there has proven who it is. Node's own
// tls.Server does it, without an address of its own.

import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import type { TlsFacts } from '../transport.ts';
import { digestOf, SCHEME, spiffeOf, subjectOf } from './certificate.ts';
import { type Credentials, loadTls } from './credentials.ts';

/** How it went: the socket that speaks plain text to us, or why there is none. */
export type Secured =
  | { readonly socket: TLSSocket; readonly tls: TlsFacts }
  | { readonly socket: null; readonly reason: string };

/** From the first byte to the last of a handshake. */
const HANDSHAKE_MS = 15_000;
/** The best first: what sidecars of ours offer each other, then what Istio's do, then what HTTP says. */
const PROTOCOLS = ['weft-multiplexed', 'istio-h2', 'istio-http/1.1', 'istio', 'h2', 'http/1.1', 'http/1.0'];

export class InboundTls {
  private server: Server | null = null;
  private credentials: Credentials | null = null;
  /** Handshakes under way, by who is there. */
  private readonly pending = new Map<string, (secured: Secured) => void>();
  private readonly handshakeMs: number;

  constructor(handshakeMs = HANDSHAKE_MS) {
    this.handshakeMs = handshakeMs;
  }

  /** Connections that are there go on with what they began with. */
  adopt(credentials: Credentials): void {
    this.credentials = credentials;
    if (this.server === null) this.server = this.makeServer(credentials);
    else this.server.setSecureContext({ ...credentials.context, sessionIdContext: 'weft' } as object);
    this.server.setTicketKeys(credentials.tickets);
  }

  /**
   * `socket` is paused, and what was read of it was put back. Calls back once, later; what fails is closed already. From now on it
   * may be destroyed in a turn of its own alone: under a handshake that runs, Node ends with a segmentation fault (24.21, tried).
   */
  accept(socket: Socket, done: (secured: Secured) => void): void {
    const key = placeOf(socket);
    const ended = (): void => {
      this.finish(key, { socket: null, reason: 'the peer has left' });
    };
    this.pending.set(key, (secured) => {
      socket.off('close', ended);
      done(secured);
    });
    socket.once('close', ended);
    // Who ends in the middle of it has nothing more to say.
    socket.allowHalfOpen = false;
    this.server!.emit('connection', socket);
  }

  private makeServer({ context }: Credentials): Server {
    const server = new (loadTls().Server)({
      ...context,
      requestCert: true,
      // Checked below, where it can be told why.
      rejectUnauthorized: false,
      handshakeTimeout: this.handshakeMs,
      ALPNProtocols: PROTOCOLS,
      sessionIdContext: 'weft',
    });
    server.on('secureConnection', (socket) => this.shaken(socket));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      this.finish(placeOf(socket), { socket: null, reason: error.code ?? error.message });
      socket.destroy();
    });
    return server;
  }

  private shaken(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    const uri = certificate === undefined ? null : spiffeOf(certificate);
    const reason =
      certificate === undefined
        ? 'the client shows no certificate'
        : !socket.authorized
          ? `its certificate is refused: ${socket.authorizationError}`
          : uri === null
            ? 'its certificate is for no SPIFFE id'
            : null;
    if (reason !== null) {
      this.finish(placeOf(socket), { socket: null, reason });
      socket.destroy();
      return;
    }
    const { uri: localUri } = this.credentials!;
    const [digest, subject] = [digestOf(certificate!), subjectOf(certificate!)];
    const tls: TlsFacts = {
      version: socket.getProtocol() ?? '',
      alpn: socket.alpnProtocol || '',
      serverName: typeof socket.servername === 'string' ? socket.servername : '',
      peerUri: uri!,
      localUri,
      peerDigest: digest,
      peerSubject: subject,
      forwarded: `By=${localUri};Hash=${digest};Subject="${subject.replaceAll(/["\\]/g, '\\$&')}";URI=${uri}`,
    };
    if (!this.finish(placeOf(socket), { socket, tls })) socket.destroy();
  }

  /** False: nobody waits for it any more. */
  private finish(place: string, secured: Secured): boolean {
    const done = this.pending.get(place);
    this.pending.delete(place);
    done?.(secured);
    return done !== undefined;
  }
}

/** The principal of a URI. */
export function principalOf({ peerUri }: TlsFacts): string {
  return peerUri.slice(SCHEME.length);
}

function placeOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
