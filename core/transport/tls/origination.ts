// TLS towards a service outside of the mesh, as a DestinationRule asks for it: whose certificates are believed and which one is
// shown, all by files of the proxy's machine. Types only.

export interface Origination {
  /** Of authorities; '': the system's. */
  readonly caFile: string;
  /** What this side shows, '': nothing. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Of certificates that were taken back; ''. */
  readonly crlFile: string;
  /** By this name in place of files; ''. */
  readonly credential: string;
  /** Groups for the key exchange, as OpenSSL has them: 'X25519:P-256'; '': the proxy's own. */
  readonly curves: string;
  /** False: whoever answers is believed. */
  readonly verified: boolean;
  /** HTTP/2 is what is wished for, and a server that does not speak it is spoken to in HTTP/1.1. */
  readonly fallsBack: boolean;
}
