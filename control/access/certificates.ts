// Whom a client certificate stands for, as kube-apiserver takes them: the common name is the name, organizations are the groups. TLS has
// compared it with the authority and the revocation list before; what that found is told here.
import type { TLSSocket } from 'node:tls';
import { PemFiles } from '../../core/config/pem-files.ts';
import { ApiError } from '../api-error.ts';
import type { Holder } from './caller.ts';
import { grantsOf, isName, type Roles } from './roles.ts';
import { TokenOverError } from './token-over.ts';

export interface ClientAuthority {
  /** Of the authorities whose certificates count, in PEM. */
  readonly ca: string;
  /** A file with their revocation lists in PEM, which is read again when it changes. Default: there is none. */
  readonly crlFile?: string;
  /** How often it is looked at, in ms. Default 5 s. */
  readonly lookMs?: number;
}

const LOOK_MS = 5_000;

/** Whom a connection is of; null: it has shown no certificate. Throws ApiError 401. */
export function certified(socket: TLSSocket, roles: Roles, now = Date.now()): Holder | null {
  // Nobody was asked for one.
  if (socket.getPeerCertificate === undefined) return null;
  const { subject, valid_to: end } = socket.getPeerCertificate();
  if (subject === undefined) return null;
  const { CN: user, O: groups = [] } = subject as { readonly CN?: unknown; readonly O?: string | string[] };
  const of = isName(user) ? `cert:${user}` : 'a client';
  const expires = Date.parse(end);
  // A connection lives on when it has.
  if (socket.authorized && expires <= now)
    throw new TokenOverError(`the certificate of ${of} expired at ${iso(expires)}`);
  if (!socket.authorized) {
    const code = String(socket.authorizationError ?? '');
    const why =
      code === 'CERT_HAS_EXPIRED'
        ? `it expired at ${iso(expires)}`
        : (REASONS[code] ?? `it cannot be checked (${code})`);
    throw new TokenOverError(`the certificate of ${of} is not taken: ${why}`);
  }
  if (!isName(user))
    throw new ApiError(401, 'the certificate is not taken: its common name, the name of who it is of, is none');
  return { name: of, grants: grantsOf(roles, of, [groups].flat()), expires };
}

const FOREIGN = 'no authority of --client-ca-file has signed it';
const REASONS: Readonly<Record<string, string>> = {
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it is revoked',
  CRL_HAS_EXPIRED: 'the revocation list of its authority has expired',
  CRL_NOT_YET_VALID: 'the revocation list of its authority is not valid yet',
  CRL_SIGNATURE_FAILURE: 'the revocation list of its authority is signed by somebody else',
  UNABLE_TO_GET_CRL: 'there is no revocation list of its authority',
  INVALID_PURPOSE: 'it is not for clients',
  CERT_SIGNATURE_FAILURE: FOREIGN,
  DEPTH_ZERO_SELF_SIGNED_CERT: FOREIGN,
  SELF_SIGNED_CERT_IN_CHAIN: FOREIGN,
  UNABLE_TO_GET_ISSUER_CERT: FOREIGN,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: FOREIGN,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: FOREIGN,
};

export interface RevocationListOptions {
  readonly file: string;
  /** How often it is looked at, in ms. Default 5 s. */
  readonly lookMs?: number;
  /** It says something else. */
  changed(): void;
  onLog(line: string): void;
}

/** Looked at for as long as it is not closed. Throws an Error in one sentence when it cannot be used. */
export async function openRevocationList(options: RevocationListOptions): Promise<PemFiles> {
  const { file, lookMs = LOOK_MS, changed, onLog } = options;
  let known: string | null = null;
  const list = new PemFiles({
    files: { crl: file },
    lookMs,
    changed: ({ crl }) => {
      if (known === crl) return;
      const first = known === null;
      known = crl;
      if (first) return;
      changed();
      onLog(`the revocation list ${file} is read again`);
    },
    failed: (why) => {
      const said = why.startsWith(file) ? why : `${file}: ${why}`;
      if (known === null) throw new Error(said);
      onLog(`the revocation list that was read before stays: ${said}`);
    },
  });
  try {
    await list.look();
    return list;
  } catch (error) {
    list.close();
    throw error;
  }
}

function iso(ms: number): string {
  return Number.isNaN(ms) ? 'no time that there is' : new Date(ms).toISOString();
}
