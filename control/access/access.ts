// Who a token of the API stands for. READ FIRST in this room: permissions.ts is what each may do, tokens.ts are those that are kept
// in the store. The one in the file of a control plane is its own, and may do everything.
import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from '../api-error.ts';
import type { Holder } from './caller.ts';
import type { Limits } from './limits.ts';
import { type AccessTokens, FILE_TOKEN_NAME } from './tokens.ts';

export interface AccessOptions {
  /** In the file of this control plane. */
  readonly fileToken: string;
  readonly tokens: AccessTokens;
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

  /** Throws ApiError 401; 429 when too many that nobody knows came from that address, which keeps out none that is known. */
  async identify(token: string, address: string): Promise<Holder> {
    if (timingSafeEqual(digest(token), this.#expected)) return FILE_HOLDER;
    const { tokens, limits } = this.#options;
    const known = tokens.holder(token);
    if (known !== null) return known;
    const found = limits.unknown(address);
    const holder = await tokens.sought(token);
    if (holder === null) throw new ApiError(401, 'the token is not valid');
    found();
    return holder;
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
