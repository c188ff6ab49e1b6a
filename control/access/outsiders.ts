// Whom others vouch for and whom the mesh lets in no more, by name: 'oidc:alice' or 'cert:alice'. Kept beside the API's tokens, so that
// every control plane knows it at once, also while the issuer or the authority would still vouch.
import type { AccessRecord, AccessRecords } from '../../bus/access-types.ts';
import { ApiError } from '../api-error.ts';
import type { Caller } from './caller.ts';
import { TokenOverError } from './token-over.ts';

export interface Outsider {
  readonly name: string;
  /** ISO 8601: since when, and by whom. */
  readonly revokedAt: string;
  readonly revokedBy: string;
}

const MOST = 1_000;
const NAME = /^(?:oidc|cert):./u;

export function isOutsidersName(name: string): boolean {
  return NAME.test(name);
}

export class Outsiders {
  readonly #records: Pick<AccessRecords, 'get' | 'put'>;
  readonly #out = new Map<string, Outsider | null>();
  readonly #sequences = new Map<string, number>();
  readonly #now: () => number;

  constructor(records: Pick<AccessRecords, 'get' | 'put'>, now: () => number) {
    this.#records = records;
    this.#now = now;
  }

  /** By name. */
  list(): Outsider[] {
    return [...this.#out.values()].filter((each) => each !== null).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws TokenOverError when it is one. */
  check(name: string): void {
    const out = this.#out.get(name);
    if (out) throw new TokenOverError(`${name} was put out at ${out.revokedAt} by ${out.revokedBy}`);
  }

  /** Throws ApiError 409 when it is already, or when there are too many. */
  async revoke(name: string, by: Caller): Promise<Outsider> {
    await this.#newest(name);
    if (this.#out.get(name)) throw new ApiError(409, `${name} is revoked already`);
    if (this.#out.size >= MOST && !this.#out.has(name))
      throw new ApiError(409, `${MOST} are revoked: allow some again`);
    const out = { name, revokedAt: new Date(this.#now()).toISOString(), revokedBy: by.name };
    await this.#put(name, out);
    return out;
  }

  /** Throws ApiError 404 when it is none. */
  async allow(name: string): Promise<void> {
    await this.#newest(name);
    if (!this.#out.get(name)) throw new ApiError(404, `${name} is not revoked`);
    await this.#put(name, null);
  }

  forget(): void {
    this.#out.clear();
    this.#sequences.clear();
  }

  learn({ name, body, sequence }: AccessRecord): void {
    if ((this.#sequences.get(name) ?? -1) > sequence) return;
    this.#sequences.set(name, sequence);
    const { revokedAt, revokedBy } = body;
    if (revokedAt === null) this.#out.set(name, null);
    // Whatever a newer version says of it, it lets nobody in here.
    else this.#out.set(name, { name, revokedAt: String(revokedAt), revokedBy: String(revokedBy) });
  }

  async #newest(name: string): Promise<void> {
    const record = await this.#records.get(name);
    if (record !== null) this.learn(record);
  }

  async #put(name: string, out: Outsider | null): Promise<void> {
    const body = { revokedAt: out?.revokedAt ?? null, revokedBy: out?.revokedBy ?? null };
    if (!(await this.#records.put(name, body, this.#sequences.get(name) ?? 0))) {
      throw new ApiError(409, `somebody else has changed ${name} at the same moment`);
    }
    await this.#newest(name);
  }
}
