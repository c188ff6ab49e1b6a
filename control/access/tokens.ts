// Tokens of the API that are not a file's: made once, kept as their SHA-256 in the store, so that every control plane knows them and
// a revocation is heard by all. A token names itself, and is found by that: weft_NAME_SECRET.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { AccessRecord, AccessRecords } from '../../bus/access-types.ts';
import { BusUnavailableError } from '../../bus/types.ts';
import { ApiError } from '../api-error.ts';
import type { Caller, Grant, Holder } from './caller.ts';
import { isOutsidersName, Outsiders } from './outsiders.ts';
import { isRole } from './permissions.ts';
import { TokenOverError } from './token-over.ts';

/** What is told of one; never the token. */
export interface AccessToken {
  readonly name: string;
  readonly role: Grant['role'];
  readonly namespaces: readonly string[] | null;
  readonly state: 'valid' | 'expired' | 'revoked';
  /** ISO 8601, as all times here. */
  readonly expires: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly revokedAt: string | null;
  readonly revokedBy: string | null;
  readonly lastUsed: string | null;
}

/** As it is stored. */
interface Kept {
  readonly digest: string;
  readonly grant: Grant;
  readonly expires: number;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly revokedAt: string | null;
  readonly revokedBy: string | null;
  readonly sequence: number;
}

export interface TokensOptions {
  readonly records: AccessRecords;
  /** Ms of the epoch. */
  readonly now?: () => number;
}

/** The name of the token in the file of a control plane. */
export const FILE_TOKEN_NAME = 'admin';
const MAX_TOKENS = 1_000;
const FORM = /^weft_([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)_[A-Za-z0-9_-]{43}$/;
/** A use is told of once in this time, and kept by the minute. */
const USE_EVERY_MS = 60_000;

export class AccessTokens {
  readonly #records: AccessRecords;
  readonly #now: () => number;
  /** Of whom there are no tokens. */
  readonly outsiders: Outsiders;
  readonly #kept = new Map<string, Kept>();
  readonly #used = new Map<string, string>();

  private constructor({ records, now = Date.now }: TokensOptions) {
    this.#records = records;
    this.#now = now;
    this.outsiders = new Outsiders(records, now);
  }

  /** Throws BusUnavailableError. */
  static async open(options: TokensOptions): Promise<AccessTokens> {
    const tokens = new AccessTokens(options);
    await options.records.follow({
      all: (records) => {
        tokens.#kept.clear();
        tokens.outsiders.forget();
        for (const record of records) tokens.#learn(record);
      },
      record: (record) => tokens.#learn(record),
      used: (name, at) => tokens.#learnUse(name, at),
    });
    return tokens;
  }

  /** Whose token that is among those that are known here; null: nobody's. Throws TokenOverError. */
  holder(token: string): Holder | null {
    const name = FORM.exec(token)?.[1];
    const kept = name === undefined ? undefined : this.#kept.get(name);
    if (name === undefined || kept === undefined || !isOf(kept, token)) return null;
    if (kept.revokedAt !== null) throw new TokenOverError(`the token ${name} was revoked at ${kept.revokedAt}`);
    const now = this.#now();
    if (now >= kept.expires) throw new TokenOverError(`the token ${name} expired at ${iso(kept.expires)}`);
    this.#use(name, now);
    return { name, grants: [kept.grant], expires: kept.expires };
  }

  /** The same, also of one that another control plane has only just made. */
  async sought(token: string): Promise<Holder | null> {
    const name = FORM.exec(token)?.[1];
    if (name === undefined) return null;
    try {
      const record = await this.#records.get(name);
      if (record !== null) this.#learn(record);
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) throw error;
      // What is known here counts while NATS is away.
    }
    return this.holder(token);
  }

  /** Gives the token itself, which is not kept. Throws ApiError 409 when there is a valid one of that name. */
  async create(
    { name, grant, ttlMs }: { readonly name: string; readonly grant: Grant; readonly ttlMs: number },
    by: Caller,
  ): Promise<{ token: string } & AccessToken> {
    if (name === FILE_TOKEN_NAME) throw new ApiError(409, `${name} is the token in the files of the control planes`);
    const standing = await this.#newest(name);
    if (standing !== undefined && this.#told(name, standing).state === 'valid') {
      throw new ApiError(409, `there is a token ${name}, created by ${standing.createdBy}: revoke it first`);
    }
    if (standing === undefined) await this.#makeRoom();
    const token = `weft_${name}_${randomBytes(32).toString('base64url')}`;
    const now = this.#now();
    await this.#put(name, standing?.sequence ?? 0, {
      digest: digest(token).toString('hex'),
      grant,
      expires: now + ttlMs,
      createdAt: iso(now),
      createdBy: by.name,
      revokedAt: null,
      revokedBy: null,
    });
    return { token, ...this.#told(name, this.#kept.get(name)!) };
  }

  /** Throws ApiError 404, 409 when it is no longer valid anyway. */
  async revoke(name: string, by: Caller): Promise<AccessToken> {
    const kept = await this.#newest(name);
    if (kept === undefined) throw new ApiError(404, `there is no token ${name}`);
    const { state } = this.#told(name, kept);
    if (state !== 'valid') throw new ApiError(409, `the token ${name} is ${state} already`);
    const { sequence, ...whole } = kept;
    await this.#put(name, sequence, { ...whole, revokedAt: iso(this.#now()), revokedBy: by.name });
    return this.#told(name, this.#kept.get(name)!);
  }

  /** By name. */
  list(): AccessToken[] {
    return [...this.#kept].map(([name, kept]) => this.#told(name, kept)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #newest(name: string): Promise<Kept | undefined> {
    const record = await this.#records.get(name);
    if (record !== null) this.#learn(record);
    else this.#kept.delete(name);
    return this.#kept.get(name);
  }

  async #put(name: string, after: number, kept: Omit<Kept, 'sequence'>): Promise<void> {
    if (!(await this.#records.put(name, { ...kept }, after))) {
      throw new ApiError(409, `somebody else has changed the token ${name} at the same moment`);
    }
    await this.#newest(name);
  }

  /** Names of tokens that are no longer valid are forgotten, the oldest first, when there are too many. */
  async #makeRoom(): Promise<void> {
    if (this.#kept.size < MAX_TOKENS) return;
    const dead = this.list().filter(({ state }) => state !== 'valid');
    if (dead.length === 0) throw new ApiError(409, `there are ${MAX_TOKENS} tokens: revoke some`);
    const oldest = dead.reduce((a, b) => (a.createdAt < b.createdAt ? a : b)).name;
    await this.#records.remove(oldest);
    this.#kept.delete(oldest);
    this.#used.delete(oldest);
  }

  #learn(record: AccessRecord): void {
    if (isOutsidersName(record.name)) {
      this.outsiders.learn(record);
      return;
    }
    const known = this.#kept.get(record.name);
    if (known !== undefined && known.sequence > record.sequence) return;
    const kept = read(record);
    if (kept !== null) this.#kept.set(record.name, kept);
    // Whatever a newer version says of it, it lets nobody in here.
    else this.#kept.delete(record.name);
  }

  #learnUse(name: string, at: string): void {
    if (this.#kept.has(name) && at > (this.#used.get(name) ?? '')) this.#used.set(name, at);
  }

  #use(name: string, now: number): void {
    const last = this.#used.get(name);
    if (last !== undefined && now - Date.parse(last) < USE_EVERY_MS) return;
    const at = iso(now);
    this.#used.set(name, at);
    this.#records.used(name, at);
  }

  #told(name: string, { grant, expires, createdAt, createdBy, revokedAt, revokedBy }: Kept): AccessToken {
    const state = revokedAt !== null ? 'revoked' : this.#now() >= expires ? 'expired' : 'valid';
    const used = this.#used.get(name) ?? '';
    // An earlier one of that name may have been used, too.
    const lastUsed = used >= createdAt ? used : null;
    return { name, ...grant, state, expires: iso(expires), createdAt, createdBy, revokedAt, revokedBy, lastUsed };
  }
}

function isOf(kept: Kept, token: string): boolean {
  return timingSafeEqual(digest(token), Buffer.from(kept.digest, 'hex'));
}

/** Of 32 random bytes: nobody finds them by trying, so the hash need not be slow. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** null: what no version of ours writes lets nobody in. */
function read({ body, sequence }: AccessRecord): Kept | null {
  const { digest: hex, grant, expires, createdAt, createdBy, revokedAt, revokedBy } = body;
  if (typeof hex !== 'string' || !/^[0-9a-f]{64}$/.test(hex) || typeof expires !== 'number') return null;
  if (typeof createdAt !== 'string' || typeof createdBy !== 'string') return null;
  const { role, namespaces } = (grant ?? {}) as { role?: unknown; namespaces?: unknown };
  if (typeof role !== 'string' || !isRole(role)) return null;
  if (namespaces !== null && !(Array.isArray(namespaces) && namespaces.every((each) => typeof each === 'string'))) {
    return null;
  }
  const revoked = typeof revokedAt === 'string' ? revokedAt : null;
  const revoker = typeof revokedBy === 'string' ? revokedBy : null;
  const times = { expires, createdAt, createdBy, revokedAt: revoked, revokedBy: revoker };
  return { digest: hex, grant: { role, namespaces }, ...times, sequence };
}
