// Whom a client certificate stands for, as kube-apiserver takes them: the common name is the name, organizations are the groups. TLS has
// compared it with the authority and the revocation list before; what that found is told here.
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type TLSSocket } from 'node:tls';
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

/** Looks at the file for as long as it is not closed. */
export class RevocationList {
  readonly #file: string;
  readonly #onLog: (line: string) => void;
  #text = '';
  #seen = '';
  #problem = '';
  #timer: NodeJS.Timeout | null = null;

  private constructor(file: string, onLog: (line: string) => void) {
    this.#file = file;
    this.#onLog = onLog;
  }

  /** Throws an Error in one sentence when it cannot be read. */
  static async open(file: string, onLog: (line: string) => void): Promise<RevocationList> {
    const list = new RevocationList(file, onLog);
    await list.#read();
    return list;
  }

  get text(): string {
    return this.#text;
  }

  /** `take`: uses what is new; throws when it is of no use, and what there was stays. */
  follow(take: (text: string) => void, everyMs = LOOK_MS): void {
    this.#timer = setInterval(() => void this.#look(take), everyMs);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  async #look(take: (text: string) => void): Promise<void> {
    const before = this.#text;
    try {
      if (!(await this.#read()) || this.#timer === null) return;
      take(this.#text);
      this.#problem = '';
      this.#onLog(`the revocation list ${this.#file} is read again`);
    } catch (error) {
      this.#text = before;
      const { message } = error as Error;
      if (message !== this.#problem) this.#onLog(`the revocation list that was read before stays: ${message}`);
      this.#problem = message;
    }
  }

  /** Whether it says something else than before. */
  async #read(): Promise<boolean> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#file);
      const seen = `${mtimeMs} ${size} ${ino}`;
      if (seen === this.#seen) return false;
      const text = await readFile(this.#file, 'utf8');
      if (!text.includes('-----BEGIN X509 CRL-----')) throw new Error('it has no revocation list in PEM');
      createSecureContext({ crl: text });
      const changed = text !== this.#text;
      this.#seen = seen;
      this.#text = text;
      return changed;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new Error(`${this.#file} cannot be read: ${code === 'ENOENT' ? 'it does not exist' : message}`);
    }
  }
}

function iso(ms: number): string {
  return Number.isNaN(ms) ? 'no time that there is' : new Date(ms).toISOString();
}
