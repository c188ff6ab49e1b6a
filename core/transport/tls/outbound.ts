// The client's side of TLS: a handshake on a connected socket, which counts only when the other side proves to be who is meant: in the
// mesh whom the registry has there, outside of it whoever has the name.

import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import type { ConnectionOptions, PeerCertificate, SecureContext, TLSSocket } from 'node:tls';
import type { TlsFacts } from '../transport.ts';
import { digestOf, namesIn, spiffeOf, subjectOf } from './certificate.ts';
import type { CertifiedSockets } from './certified-sockets.ts';
import { type Credentials, clientContext, loadTls } from './credentials.ts';

/** Whom a connection is for, and what is kept of the ones before it. */
export interface TlsTarget {
  /** What is asked for (SNI): 'outbound_.9080_.v1_.reviews.default.svc.cluster.local'. */
  readonly serverName: string;
  /** Of whom may answer: SPIFFE ids, or outside of the mesh names; null: whoever shows a certificate that is believed. */
  readonly identities: readonly string[] | null;
  /** Null: by the mesh's certificates. */
  readonly origination: Originated | null;
  /** What is offered to be spoken (ALPN), the best first. */
  readonly protocols: readonly string[];
  readonly sessions: Sessions;
}

/** How a connection leaves the mesh in TLS. */
export interface Originated {
  readonly context: SecureContext;
  /** False: whoever answers is believed. */
  readonly verified: boolean;
}

/** The newest session with one endpoint, and whose it was. */
export interface Sessions {
  session: Buffer | null;
  identity: string;
  /** The number of its certificate. */
  serial: string;
  of: SecureContext | null;
}

export function noSession(): Sessions {
  return { session: null, identity: '', serial: '', of: null };
}

const REVOKED = 'CERTIFICATE_VERIFY_FAILED: certificate revoked';

/** In place of an identity, where nobody's is verified. */
const ANYBODY = 'anybody';

export class OutboundTls {
  private readonly sockets: CertifiedSockets;
  private credentials: Credentials | null = null;
  private context: SecureContext | null = null;

  constructor(sockets: CertifiedSockets) {
    this.sockets = sockets;
  }

  get ready(): boolean {
    return this.credentials !== null;
  }

  adopt(credentials: Credentials): void {
    this.credentials = credentials;
    this.context = clientContext(credentials.context);
  }

  /** One of the two is called once, later. The socket is closed when it fails. */
  secure(
    socket: Socket,
    target: TlsTarget,
    secured: (socket: TLSSocket, tls: TlsFacts) => void,
    failed: (text: string) => void,
  ): void {
    const { sessions, serverName, identities, origination, protocols } = target;
    const context = origination?.context ?? this.context!;
    const localUri = origination === null ? this.credentials!.uri : '';
    const resumed = sessions.of === context && mayBe(sessions.identity, identities) ? sessions.session : null;
    let identity = resumed === null ? '' : sessions.identity;
    let serial = resumed === null ? '' : sessions.serial;
    let wrong = '';
    const options: ConnectionOptions = {
      socket,
      secureContext: context,
      // RFC 6066 3: addresses are no names.
      servername: isIP(serverName) === 0 ? serverName : '',
      ALPNProtocols: protocols as string[],
      rejectUnauthorized: origination?.verified !== false,
      // Not called for a session that is resumed: that was begun with who is in `sessions`.
      checkServerIdentity: (_, shown) => {
        // Node asks again, and shows none, when the other side has asked for another handshake.
        if (over) return new Error('the server asks for another handshake');
        identity = origination === null ? (spiffeOf({ subjectAltName: shown.subjectaltname }) ?? '') : ANYBODY;
        if (origination !== null && identities !== null) identity = nameOf(shown, identities);
        serial = shown.serialNumber;
        if (origination === null && this.sockets.refuses(serial)) {
          wrong = REVOKED;
          return new Error(wrong);
        }
        if (mayBe(identity, identities)) return undefined;
        wrong = wrongName(origination === null ? identity : (shown.subjectaltname ?? ''), identities);
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
      failed(`TLS_error: ${wrong === '' ? reasonOf(error, secure) : wrong}`);
    };
    socket.on('error', fail);
    secure.on('error', fail);
    secure.once('close', () => fail(new Error('the connection was closed in the handshake')));
    secure.on('session', (session) => {
      sessions.session = session;
      sessions.identity = identity;
      sessions.serial = serial;
      sessions.of = context;
    });
    secure.once('secureConnect', () => {
      if (over) return;
      // Of a session that was resumed nobody has asked, and it may have been revoked since.
      if (origination === null && this.sockets.refuses(serial)) {
        wrong = REVOKED;
        secure.destroy(new Error(wrong));
        return;
      }
      over = true;
      if (origination === null) this.sockets.hold(secure, serial);
      const certificate = secure.getPeerX509Certificate();
      const names = namesIn(certificate ?? {});
      secured(secure, {
        version: secure.getProtocol() ?? '',
        alpn: secure.alpnProtocol || '',
        serverName,
        server: '',
        peerUri: origination === null ? identity : (names.uris[0] ?? ''),
        peerNames: names.hosts,
        localUri,
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

/** Which of these it is for, or ''. A name in the subject is none: RFC 9525 2. */
function nameOf(shown: PeerCertificate, names: readonly string[]): string {
  const { subjectaltname } = shown;
  if (subjectaltname === undefined) return '';
  const { uris } = namesIn({ subjectAltName: subjectaltname });
  const bare = { subjectaltname, subject: {} } as PeerCertificate;
  return names.find((name) => uris.includes(name) || loadTls().checkServerIdentity(name, bare) === undefined) ?? '';
}

/** `shown`: of who answers. */
function wrongName(shown: string, identities: readonly string[] | null): string {
  const who = shown === '' ? 'nobody that has a name' : shown;
  return `CERTIFICATE_VERIFY_FAILED: ${who} answers, in place of ${identities?.join(' or ') ?? 'somebody of the mesh'}`;
}

/** As Envoy has it: 'CERTIFICATE_VERIFY_FAILED: certificate has expired', 'WRONG_VERSION_NUMBER'. */
function reasonOf({ code, message }: NodeJS.ErrnoException, secure: TLSSocket): string {
  if (secure.authorizationError) return `CERTIFICATE_VERIFY_FAILED: ${message}`;
  return code === undefined ? message : code.replace(/^ERR_SSL_/, '');
}
