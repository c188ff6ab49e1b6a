// Who a token of the API stands for. READ FIRST in this room: permissions.ts is what each may do, tokens.ts are those that are kept
// in the store, oidc.ts those of an issuer elsewhere. The one in the file of a control plane is its own, and may do everything.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { ApiError } from '../api-error.ts';
import type { Holder } from './caller.ts';
import { certified } from './certificates.ts';
import type { Limits } from './limits.ts';
import type { Oidc } from './oidc.ts';
import type { Roles } from './roles.ts';
import { type AccessTokens, FILE_TOKEN_NAME } from './tokens.ts';

export interface AccessOptions {
  /** In the file of this control plane. */
  readonly fileToken: string;
  readonly tokens: AccessTokens;
  /** null: no other's tokens are taken. */
  readonly oidc: Pick<Oidc, 'known' | 'holder'> | null;
  /** Of who comes with a certificate. */
  readonly roles: Roles;
  readonly limits: Limits;
}

const FILE_HOLDER: Holder = { name: FILE_TOKEN_NAME, grants: [{ role: 'admin', namespaces: null }], expires: null };

export class Access {
  readonly #options: AccessOptions;
  readonly #expected: Buffer;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#expected = digest(options.fileToken);
  }

  /** Of who comes without a token: by the certificate of the connection. Throws ApiError 401. */
  certified(socket: Socket): Holder {
    const holder = certified(socket as TLSSocket, this.#options.roles);
    if (holder === null) throw new ApiError(401, 'a token is needed');
    this.#options.tokens.outsiders.check(holder.name);
    return holder;
  }

  /** Throws ApiError 401; 503 while it cannot be known; 429 when too many that nobody knows came from that address, which keeps out none that is known. */
  async identify(token: string, address: string): Promise<Holder> {
    if (timingSafeEqual(digest(token), this.#expected)) return FILE_HOLDER;
    const { tokens, oidc, limits } = this.#options;
    const known = tokens.holder(token) ?? oidc?.known(token) ?? null;
    if (known !== null) {
      tokens.outsiders.check(known.name);
      return known;
    }
    const found = limits.unknown(address);
    const holder = await sought(token, tokens, oidc).catch((error: unknown) => {
      // Nobody knows whether it would be.
      if (error instanceof ApiError && error.status === 503) found();
      throw error;
    });
    if (holder === null) throw new ApiError(401, 'the token is not valid');
    found();
    tokens.outsiders.check(holder.name);
    return holder;
  }
}

async function sought(token: string, tokens: AccessTokens, oidc: AccessOptions['oidc']): Promise<Holder | null> {
  return (await oidc?.holder(token)) ?? tokens.sought(token);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
