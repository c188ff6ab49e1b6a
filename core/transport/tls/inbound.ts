// The server's side of mutual TLS between sidecars: a handshake after which whoever is there has proven who it is.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TlsFacts } from '../transport.ts';
import { digestOf, SCHEME, spiffeOf, subjectOf } from './certificate.ts';
import type { CertifiedSockets } from './certified-sockets.ts';
import type { Credentials } from './credentials.ts';
import { Handshakes, type Secured } from './handshakes.ts';

/** What sidecars alone offer each other, the best first: ours, then Istio's. */
const OF_SIDECARS = ['weft-multiplexed', 'istio-h2', 'istio-http/1.1', 'istio'];
const PROTOCOLS = [...OF_SIDECARS, 'h2', 'http/1.1', 'http/1.0'];
/** What Istio's also offer, and nobody has to agree to. */
const ALSO_OFFERED = ['istio-http/1.0', 'istio-peer-exchange'];

export class InboundTls {
  private readonly handshakes: Handshakes;
  private readonly sockets: CertifiedSockets;
  private credentials: Credentials | null = null;

  constructor(sockets: CertifiedSockets, handshakeMs: number) {
    this.sockets = sockets;
    this.handshakes = new Handshakes({
      ms: handshakeMs,
      requestCert: true,
      // Checked below, where it can be told why.
      rejectUnauthorized: false,
      ALPNProtocols: PROTOCOLS,
      judge: (socket) => this.judge(socket),
    });
  }

  /** Connections that are there go on with what they began with. */
  adopt(credentials: Credentials): void {
    this.credentials = credentials;
    this.handshakes.adopt(credentials.context, credentials.tickets);
  }

  /** As Handshakes.accept. */
  accept(socket: Socket, done: (secured: Secured) => void): void {
    this.handshakes.accept(socket, done);
  }

  private judge(socket: TLSSocket): TlsFacts | string {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return 'the client shows no certificate';
    if (!socket.authorized) return `its certificate is refused: ${socket.authorizationError}`;
    const uri = spiffeOf(certificate);
    if (uri === null) return 'its certificate is for no SPIFFE id';
    const { serialNumber } = certificate;
    if (this.sockets.refuses(serialNumber)) return 'its certificate is refused: CERT_REVOKED';
    this.sockets.hold(socket, serialNumber);
    const { uri: localUri } = this.credentials!;
    const [digest, subject] = [digestOf(certificate), subjectOf(certificate)];
    return {
      version: socket.getProtocol() ?? '',
      alpn: socket.alpnProtocol || '',
      serverName: typeof socket.servername === 'string' ? socket.servername : '',
      server: '',
      peerUri: uri,
      peerNames: [],
      localUri,
      peerDigest: digest,
      peerSubject: subject,
      forwarded: `By=${localUri};Hash=${digest};Subject="${subject.replaceAll(/["\\]/g, '\\$&')}";URI=${uri}`,
    };
  }
}

/** `protocols`: of a ClientHello. As Istio tells a sidecar from an application that speaks TLS itself. */
export function greetsMesh(protocols: readonly string[]): boolean {
  return protocols.some((protocol) => OF_SIDECARS.includes(protocol) || ALSO_OFFERED.includes(protocol));
}

/** The principal of a URI; ''. */
export function principalOf({ peerUri }: TlsFacts): string {
  return peerUri.slice(SCHEME.length);
}
