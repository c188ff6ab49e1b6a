// A server of a gateway that ends TLS: for which names, who it is, and what it asks of clients. Types only.

import type { CredentialRef } from '../../credential.ts';
import type { TlsLimits } from './limits.ts';

export type TlsMode = 'SIMPLE' | 'MUTUAL' | 'OPTIONAL_MUTUAL' | 'ISTIO_MUTUAL';

export interface TlsServer extends TlsLimits {
  /** Another one for every server, and when it asks something else of its clients: a connection is of the one that it began with. */
  readonly key: string;
  /** As people know it: 'default/edge, server 0'. */
  readonly label: string;
  readonly mode: TlsMode;
  /** Certificates with their keys; of an RSA key and of an ECDSA key the client takes one. */
  readonly pairs: readonly CredentialRef[];
  /** Whose certificates count of clients. */
  readonly trust: readonly CredentialRef[];
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** A client's certificate has to have one of them; none: any. */
  readonly subjectAltNames: readonly string[];
  /** Base64 of SHA-256 of its key, or hex of SHA-256 of all of it: one of these; none: any. */
  readonly spki: readonly string[];
  readonly hashes: readonly string[];
}
