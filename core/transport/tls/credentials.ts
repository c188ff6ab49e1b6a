// By what this shard is known in TLS and whom it believes: the workload's certificate, replaced while connections live. node:tls is
// loaded with the first one, since a proxy that has none never needs it.

import { constants, createPrivateKey, hkdfSync, X509Certificate } from 'node:crypto';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { WorkloadIdentity } from '../../workload.ts';
import { spiffeOf } from './certificate.ts';
import { limited, type TlsLimits } from './limits.ts';

export interface Credentials {
  /** What a secure context of it is made of. */
  readonly context: SecureContextOptions;
  /** 'spiffe://cluster.local/ns/default/sa/sleep'. */
  readonly uri: string;
  /** By which every shard of this proxy resumes a session that another one began. 48 bytes. */
  readonly tickets: Buffer;
}

export const TICKET_BYTES = 48;

export function credentialsOf({ key, chain, roots }: WorkloadIdentity, limits: TlsLimits): Credentials {
  const secret = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  return {
    context: { key, cert: chain, ca: roots, ...limited(limits) },
    uri: spiffeOf(new X509Certificate(chain)) ?? '',
    // Of the key and of whom it trusts: sessions do not outlive either.
    tickets: Buffer.from(hkdfSync('sha256', secret, roots, 'session tickets', TICKET_BYTES)),
  };
}

/** Of connections that are begun here. In TLS 1.2 the other side may not ask for another handshake: Envoy takes none. */
export function clientContext(options: SecureContextOptions): SecureContext {
  return loadTls().createSecureContext({ ...options, secureOptions: constants.SSL_OP_NO_RENEGOTIATION });
}

/** node:tls, when it is needed. */
export function loadTls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls');
}
