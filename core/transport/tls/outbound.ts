// The client's side of mutual TLS: a handshake on a connected socket, which counts only when the other side proves to be who the
// registry says that answers there.

import type { Socket } from 'node:net';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';
import type { TlsFacts } from '../transport.ts';
import { digestOf, spiffeOf, subjectOf } from './certificate.ts';
import { type Credentials, loadTls } from './credentials.ts';

/** Whom a connection is for, and what is kept of the ones before it. */
export interface TlsTarget {
  /** What is asked for (SNI): 'outbound_.9080_.v1_.reviews.default.svc.cluster.local'. */
  readonly serverName: string;
  /** SPIFFE ids of whom may answer; null: whoever the mesh trusts. */
  readonly identities: readonly string[] | null;
  readonly sessions: Sessions;
  /** What is offered to be spoken (ALPN), the best first. */
  readonly protocols: readonly string[];
}

/** The newest session with one endpoint, and whose it was. */
export interface Sessions {
  session: Buffer | null;
  identity: string;
  of: Credentials | null;
}

export function noSession(): Sessions {
  return { session: null, identity: '', of: null };
}

export class OutboundTls {
  private credentials: Credentials | null = null;
  private context: SecureContext | null = null;

  get ready(): boolean {
    return this.credentials !== null;
  }

  adopt(credentials: Credentials): void {
    this.credentials = credentials;
    this.context = loadTls().createSecureContext(credentials.context);
  }

  /** One of the two is called once, later. The socket is closed when it fails. */
  secure(
    socket: Socket,
    target: TlsTarget,
    secured: (socket: TLSSocket, tls: TlsFacts) => void,
    failed: (text: string) => void,
  ): void {
    const { sessions, serverName, identities, protocols } = target;
    const credentials = this.credentials!;
    const resumed = sessions.of === credentials && mayBe(sessions.identity, identities) ? sessions.session : null;
    let identity = resumed === null ? '' : sessions.identity;
    let wrong = '';
    const options: ConnectionOptions = {
      socket,
      secureContext: this.context!,
      servername: serverName,
      ALPNProtocols: protocols as string[],
      // Not called for a session that is resumed: that was begun with who is in `sessions`.
      checkServerIdentity(_, { subjectaltname }) {
        identity = spiffeOf({ subjectAltName: subjectaltname }) ?? '';
        if (mayBe(identity, identities)) return undefined;
        wrong = `${identity === '' ? 'nobody of the mesh' : identity} answers, in place of ${identities?.join(' or ')}`;
        return new Error(wrong);
      },
    };
    if (resumed !== null) options.session = resumed;
    const secure = loadTls().connect(options);
    let over = false;
    const fail = (error: NodeJS.ErrnoException): void => {
      if (over) return;
      over = true;
      // What was resumed may be what is wrong.
      sessions.session = null;
      socket.destroy();
      failed(`TLS_error: ${wrong === '' ? (error.code ?? error.message) : wrong}`);
    };
    socket.on('error', fail);
    secure.on('error', fail);
    secure.once('close', () => fail(new Error('the connection was closed in the handshake')));
    secure.on('session', (session) => {
      sessions.session = session;
      sessions.identity = identity;
      sessions.of = credentials;
    });
    secure.once('secureConnect', () => {
      if (over) return;
      over = true;
      const certificate = secure.getPeerX509Certificate();
      secured(secure, {
        version: secure.getProtocol() ?? '',
        alpn: secure.alpnProtocol || '',
        serverName,
        server: '',
        peerUri: identity,
        peerNames: [],
        localUri: credentials.uri,
        peerDigest: certificate === undefined ? '' : digestOf(certificate),
        peerSubject: certificate === undefined ? '' : subjectOf(certificate),
        forwarded: '',
      });
    });
  }
}

function mayBe(identity: string, identities: readonly string[] | null): boolean {
  return identity !== '' && (identities === null || identities.includes(identity));
}
