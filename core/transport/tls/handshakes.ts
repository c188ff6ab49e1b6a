// The server's side of handshakes on accepted sockets. Node's own tls.Server does them, without an address of its own; who is there
// is judged by whoever owns them.

import type { Socket } from 'node:net';
import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from 'node:tls';
import type { TlsFacts } from '../transport.ts';
import { loadTls } from './credentials.ts';

/** How it went: the socket that speaks plain text to us, or why there is none. */
export type Secured =
  | { readonly socket: TLSSocket; readonly tls: TlsFacts }
  | { readonly socket: null; readonly reason: string };

export interface HandshakeOptions extends Pick<TlsOptions, 'requestCert' | 'rejectUnauthorized' | 'ALPNProtocols'> {
  /** From the first byte to the last of one. */
  readonly ms?: number;
  /** Under way at the same time: more are those of a flood, and requests are served in between. Default 1000. */
  readonly most?: number;
  /** Of too many those make room that have taken so long: who means it is done in the time of a few packets. Default 2000. */
  readonly stalledMs?: number;
  /** What a completed one has shown, or why it does not count. */
  judge(socket: TLSSocket): TlsFacts | string;
}

const HANDSHAKE_MS = 15_000;
const MOST = 1_000;
const STALLED_MS = 2_000;
const TOO_MANY = 'too many handshakes are under way';
const SESSIONS = 'weft';

interface Pending {
  readonly socket: Socket;
  readonly since: number;
  readonly done: (secured: Secured) => void;
}

export class Handshakes {
  private server: Server | null = null;
  private readonly options: HandshakeOptions;
  /** Those under way, by who is there; the oldest first. */
  private readonly pending = new Map<string, Pending>();

  constructor(options: HandshakeOptions) {
    this.options = options;
  }

  /** For those that begin from now on; connections that are there go on. Throws an Error for what cannot be used. */
  adopt(context: SecureContextOptions, tickets: Buffer): void {
    if (this.server === null) this.server = this.makeServer(context);
    else this.server.setSecureContext({ ...context, sessionIdContext: SESSIONS } as object);
    this.server.setTicketKeys(tickets);
  }

  /**
   * `socket` is paused, and what was read of it was put back. Calls back once, later; what fails is closed already. From now on it
   * may be destroyed in a turn of its own alone: under a handshake that runs, Node ends with a segmentation fault (24.21, tried).
   */
  accept(socket: Socket, done: (secured: Secured) => void): void {
    if (this.pending.size >= (this.options.most ?? MOST) && !this.endStalled()) {
      setImmediate(() => {
        socket.destroy();
        done({ socket: null, reason: TOO_MANY });
      });
      return;
    }
    const key = placeOf(socket);
    const ended = (): void => {
      this.finish(key, { socket: null, reason: 'the peer has left' });
    };
    this.pending.set(key, {
      socket,
      since: performance.now(),
      done(secured) {
        socket.off('close', ended);
        done(secured);
      },
    });
    socket.once('close', ended);
    // Who ends in the middle of it has nothing more to say.
    socket.allowHalfOpen = false;
    this.server!.emit('connection', socket);
  }

  /** The one that has taken the longest makes room, or nobody has taken so long. */
  private endStalled(): boolean {
    const [[key, { socket, since }]] = this.pending;
    if (performance.now() - since < (this.options.stalledMs ?? STALLED_MS)) return false;
    this.finish(key, { socket: null, reason: TOO_MANY });
    setImmediate(() => socket.destroy());
    return true;
  }

  private makeServer(context: SecureContextOptions): Server {
    const { ms = HANDSHAKE_MS, judge, requestCert, rejectUnauthorized, ALPNProtocols } = this.options;
    const server = new (loadTls().Server)({
      ...context,
      ...{ requestCert, rejectUnauthorized, ALPNProtocols },
      handshakeTimeout: ms,
      sessionIdContext: SESSIONS,
    });
    server.on('secureConnection', (socket) => {
      // Who has a connection has one key for all of it, and what it has shown stays what it is.
      socket.disableRenegotiation();
      const tls = judge(socket);
      if (typeof tls === 'string') {
        this.finish(placeOf(socket), { socket: null, reason: tls });
        socket.destroy();
      } else if (!this.finish(placeOf(socket), { socket, tls })) socket.destroy();
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      this.finish(placeOf(socket), { socket: null, reason: error.code ?? error.message });
      socket.destroy();
    });
    return server;
  }

  /** False: nobody waits for it any more. */
  private finish(place: string, secured: Secured): boolean {
    const found = this.pending.get(place);
    this.pending.delete(place);
    found?.done(secured);
    return found !== undefined;
  }
}

function placeOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
