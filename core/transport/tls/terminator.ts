// Ends TLS for one server of a gateway: with the newest of its certificates, and with what it asks of clients.

import { createHash, createPrivateKey, hkdfSync, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { Credential } from '../../credential.ts';
import type { TlsFacts } from '../transport.ts';
import { digestOf, namesIn, spiffeOf, subjectOf } from './certificate.ts';
import type { CertifiedSockets } from './certified-sockets.ts';
import { loadTls, TICKET_BYTES } from './credentials.ts';
import { Handshakes, type Secured } from './handshakes.ts';
import { limited } from './limits.ts';
import type { TlsServer } from './server.ts';

const PROTOCOLS = ['h2', 'http/1.1', 'http/1.0'];

/** What a server has of what it names, in its order; null: that is not there. */
export interface TerminatorCredentials {
  readonly pairs: readonly (Credential | null)[];
  readonly trust: readonly (Credential | null)[];
  /** Of all shards of this proxy, from which keys of sessions are made. */
  readonly seed: string;
}

export class Terminator {
  readonly server: TlsServer;
  /** Why no handshake can be done, or ''. */
  fault = 'its certificate is not there yet';
  private readonly handshakes: Handshakes;
  private readonly sockets: CertifiedSockets;
  private localUri = '';

  constructor(server: TlsServer, sockets: CertifiedSockets, handshakeMs?: number) {
    this.server = server;
    this.sockets = sockets;
    this.handshakes = new Handshakes({
      ms: handshakeMs,
      requestCert: server.mode !== 'SIMPLE',
      // Judged below, where it can be told why.
      rejectUnauthorized: false,
      ALPNProtocols: PROTOCOLS,
      judge: (socket) => this.judge(socket),
    });
  }

  /** For handshakes that begin from now on. What cannot be used takes their place: the fault says why. */
  adopt(credentials: TerminatorCredentials): void {
    this.fault = this.missing(credentials);
    if (this.fault !== '') return;
    const pairs = credentials.pairs.filter((pair) => pair !== null);
    const trust = credentials.trust.filter((one) => one !== null);
    try {
      this.handshakes.adopt(
        contextOf(this.server, pairs, trust),
        ticketsOf(this.server, pairs, trust, credentials.seed),
      );
    } catch (error) {
      this.fault = `its certificate cannot be used: ${(error as Error).message}`;
      return;
    }
    this.localUri = this.server.mode === 'ISTIO_MUTUAL' ? uriOf(pairs[0]) : '';
  }

  /** As Handshakes.accept; there is no fault. */
  accept(socket: Socket, done: (secured: Secured) => void): void {
    this.handshakes.accept(socket, done);
  }

  private missing({ pairs, trust }: TerminatorCredentials): string {
    const { server } = this;
    const pair = pairs.findIndex((one) => one === null || one.key === '');
    if (pair >= 0) return `its certificate ${server.pairs[pair].name} is not there`;
    const ca = trust.findIndex((one) => one === null || one.ca === '');
    if (ca >= 0) return `whom it believes, ${server.trust[ca].name}, is not there`;
    return '';
  }

  private judge(socket: TLSSocket): TlsFacts | string {
    const { mode } = this.server;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      if (mode !== 'SIMPLE' && mode !== 'OPTIONAL_MUTUAL') return 'the client shows no certificate';
    } else {
      if (!socket.authorized) return `its certificate is refused: ${socket.authorizationError}`;
      const wrong = this.refuses(certificate);
      if (wrong !== '') return wrong;
    }
    const uri = certificate === undefined ? null : spiffeOf(certificate);
    if (mode === 'ISTIO_MUTUAL') {
      if (uri === null) return 'its certificate is for no SPIFFE id';
      const { serialNumber } = certificate!;
      if (this.sockets.refuses(serialNumber)) return 'its certificate is refused: CERT_REVOKED';
      this.sockets.hold(socket, serialNumber);
    }
    return {
      version: socket.getProtocol() ?? '',
      alpn: socket.alpnProtocol || '',
      serverName: typeof socket.servername === 'string' ? socket.servername : '',
      server: this.server.key,
      peerUri: uri ?? '',
      peerNames: certificate === undefined ? [] : namesIn(certificate).hosts,
      localUri: this.localUri,
      peerDigest: certificate === undefined ? '' : digestOf(certificate),
      peerSubject: certificate === undefined ? '' : subjectOf(certificate),
      forwarded: certificate === undefined ? '' : forwardedOf(certificate, this.localUri),
    };
  }

  private refuses(certificate: X509Certificate): string {
    const { subjectAltNames, spki, hashes } = this.server;
    if (subjectAltNames.length > 0 && !namesIn(certificate).all.some((name) => subjectAltNames.includes(name)))
      return 'its certificate has none of the subjectAltNames';
    if (spki.length === 0 && hashes.length === 0) return '';
    const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
    const pinned = spki.includes(createHash('sha256').update(key).digest('base64'));
    return pinned || hashes.includes(digestOf(certificate)) ? '' : 'its certificate is none of those that are pinned';
  }
}

function contextOf(
  server: TlsServer,
  pairs: readonly Credential[],
  trust: readonly Credential[],
): SecureContextOptions {
  const known = new Set(loadTls().getCiphers());
  const ciphers = server.ciphers.filter((cipher) => known.has(cipher.toLowerCase()));
  if (server.ciphers.length > 0 && ciphers.length === 0 && server.minVersion !== 'TLSv1.3')
    throw new Error(`of ${server.ciphers.join(', ')} none is known here`);
  const crl = trust.map((one) => one.crl).filter((text) => text !== '');
  return {
    key: pairs.map(({ key }) => key),
    cert: pairs.map(({ cert }) => cert),
    ...(server.mode !== 'SIMPLE' && { ca: trust.map(({ ca }) => ca) }),
    ...(crl.length > 0 && { crl }),
    ...limited({ ...server, ciphers }),
    maxVersion: server.maxVersion,
    honorCipherOrder: true,
  };
}

/** Of all that is asked and shown: a session does not outlive any of it, and is no other server's. */
function ticketsOf(
  { key }: TlsServer,
  pairs: readonly Credential[],
  trust: readonly Credential[],
  seed: string,
): Buffer {
  const secrets = pairs.map((pair) => createPrivateKey(pair.key).export({ type: 'pkcs8', format: 'der' }));
  const shown = JSON.stringify([key, seed, pairs.map(({ cert }) => cert), trust]);
  return Buffer.from(hkdfSync('sha256', Buffer.concat(secrets), shown, 'session tickets', TICKET_BYTES));
}

function uriOf({ cert }: Credential): string {
  return spiffeOf(new X509Certificate(cert)) ?? '';
}

/** As Envoy writes it, in place of whatever came with the request. */
function forwardedOf(certificate: X509Certificate, localUri: string): string {
  const { uris, hosts } = namesIn(certificate);
  const subject = subjectOf(certificate).replaceAll(/["\\]/g, '\\$&');
  return [
    ...(localUri === '' ? [] : [`By=${localUri}`]),
    `Hash=${digestOf(certificate)}`,
    `Cert="${encodeURIComponent(certificate.toString())}"`,
    `Subject="${subject}"`,
    ...uris.map((uri) => `URI=${quoted(uri)}`),
    ...hosts.map((host) => `DNS=${quoted(host)}`),
  ].join(';');
}

/** What would end the element, or the header, before its end stands in quotes. */
function quoted(text: string): string {
  return /[,;="\\]/.test(text) ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : text;
}
