// Who may join: tokens that an administrator makes, and the credentials of the machines that came with one. READ FIRST in this room.
// Of a secret its digest alone is kept, in the store, where all control planes see what was used up or revoked.
import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { KeptRecord, Records } from '../../bus/types.ts';
import { ApiError } from '../api-error.ts';
import { readProof } from './token.ts';

/** For whom proxies may be enrolled. */
export interface Bounds {
  readonly namespace: string;
  readonly serviceAccounts: readonly string[];
  /** What they may say that they serve, as names in the namespace; empty: any. */
  readonly services: readonly string[];
}

export interface TokenReport extends Bounds {
  readonly id: string;
  readonly created: string;
  readonly expires: string;
  /** How many machines may still join. */
  readonly left: number;
  readonly state: 'valid' | 'expired' | 'used up' | 'revoked';
  /** What joined by it. */
  readonly machines: readonly { readonly id: string; readonly name: string; readonly joined: string }[];
}

interface Kept extends Bounds {
  /** Of the secret: SHA-256 in hex. */
  readonly digest: string;
  /** Ms of the epoch. */
  readonly created: number;
  /** Ms of the epoch; 0: never. */
  readonly expires: number;
  readonly left: number;
  readonly revoked: boolean;
  /** Of a machine: the token that it came with, and what it calls itself. */
  readonly parent: string;
  readonly name: string;
}

/** A machine, by what it may enrol. */
export interface Joined extends Bounds {
  readonly id: string;
  readonly proof: string;
}

const ID = 'abcdefghijkmnpqrstuvwxyz23456789';
const MAX_TOKENS = 1_000;
const MAX_MACHINES = 10_000;
/** Of changes to one record at the same moment. */
const MOST_TRIES = 20;

export class Tokens {
  readonly #records: Records;
  readonly #now: () => number;

  constructor(records: Records, now: () => number = Date.now) {
    this.#records = records;
    this.#now = now;
  }

  /** Returns its id and what proves it, which is nowhere else. Throws ApiError, BusUnavailableError. */
  async create(
    bounds: Bounds,
    { ttlMs, uses }: { ttlMs: number; uses: number },
  ): Promise<{ id: string; proof: string }> {
    const all = await this.#all();
    const tokens = all.filter(({ kept }) => kept.parent === '');
    for (const { id, kept } of tokens) {
      if (this.#stateOf(kept) !== 'valid' && !all.some((other) => other.kept.parent === id))
        await this.#records.remove(id);
    }
    if (tokens.filter(({ kept }) => this.#stateOf(kept) === 'valid').length >= MAX_TOKENS) {
      throw new ApiError(409, `there are ${MAX_TOKENS} tokens that are valid: revoke some first`);
    }
    const now = this.#now();
    return this.#make({
      ...bounds,
      created: now,
      expires: now + ttlMs,
      left: uses,
      revoked: false,
      parent: '',
      name: '',
    });
  }

  async list(): Promise<TokenReport[]> {
    const all = await this.#all();
    return all
      .filter(({ kept }) => kept.parent === '')
      .sort((a, b) => b.kept.created - a.kept.created)
      .map(({ id, kept }) => ({
        ...boundsOf(kept),
        id,
        created: new Date(kept.created).toISOString(),
        expires: new Date(kept.expires).toISOString(),
        left: kept.left,
        state: this.#stateOf(kept),
        machines: all
          .filter((other) => other.kept.parent === id && !other.kept.revoked)
          .map((other) => ({
            id: other.id,
            name: other.kept.name,
            joined: new Date(other.kept.created).toISOString(),
          })),
      }));
  }

  /** A token, with the machines that came with it, or one machine. They enrol no proxy more; those that run, run on. */
  async revoke(id: string): Promise<{ machines: number }> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const found = await this.#get(id);
      if (found === null) throw new ApiError(404, `there is no token ${id}`);
      if (!found.kept.revoked && !(await this.#records.put(id, { ...found.kept, revoked: true }, found.version)))
        continue;
      const all = found.kept.parent === '' ? await this.#all() : [];
      return { machines: all.filter(({ kept }) => kept.parent === id && !kept.revoked).length };
    }
    throw new ApiError(503, 'others change that token all the time: try again');
  }

  /** One of a token's uses becomes a machine. Throws ApiError, BusUnavailableError. */
  async join(proof: string, name: string): Promise<Joined> {
    const { id, kept } = await this.#use(proof);
    if ((await this.#all()).filter((other) => other.kept.parent !== '').length >= MAX_MACHINES) {
      throw new ApiError(409, `${MAX_MACHINES} machines have joined: revoke those that are gone`);
    }
    const machine = { ...kept, created: this.#now(), expires: 0, left: 0, revoked: false, parent: id, name };
    return { ...boundsOf(kept), ...(await this.#make(machine)) };
  }

  /** What the proof lets enrol: a machine's as often as it likes, a token's for one of its uses. Throws ApiError. */
  async mayEnrol(proof: string, wanted: { namespace: string; serviceAccount: string; node: string }): Promise<Bounds> {
    const { id, kept } = await this.#prove(proof);
    const { namespace, serviceAccounts } = kept;
    const { serviceAccount, node } = wanted;
    if (wanted.namespace !== namespace || !serviceAccounts.includes(serviceAccount)) {
      const may = `${serviceAccounts.join(', ')} in the namespace ${namespace}`;
      throw new ApiError(
        403,
        `the token is for the service account ${may}, not ${serviceAccount} in ${wanted.namespace}`,
      );
    }
    // As Istio names proxies: TYPE~ADDRESS~NAME.NAMESPACE~DOMAIN.
    if (!node.split('~')[2]?.endsWith(`.${namespace}`)) {
      throw new ApiError(403, `the token is for proxies of the namespace ${namespace}, and ${node} is none by its id`);
    }
    if (kept.parent === '') await this.#use(proof);
    else if (await this.#isOut(kept.parent)) throw refused(`the token that machine ${id} joined by was revoked`);
    return boundsOf(kept);
  }

  /** Two that use the last one at the same moment: one of them does. */
  async #use(proof: string): Promise<{ id: string; kept: Kept }> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const { id, kept, version } = await this.#prove(proof);
      if (kept.parent !== '') throw refused('that is what a machine enrols its proxies with, and no token to join by');
      const state = this.#stateOf(kept);
      if (state !== 'valid')
        throw refused(
          `the token ${id} is ${state === 'expired' ? `${state}, since ${new Date(kept.expires).toISOString()}` : state}`,
        );
      if (await this.#records.put(id, { ...kept, left: kept.left - 1 }, version)) return { id, kept };
    }
    throw new ApiError(503, 'others use that token all the time: try again');
  }

  async #prove(proof: string): Promise<{ id: string; kept: Kept; version: number }> {
    const said = readProof(proof);
    const found = said === null ? null : await this.#get(said.id);
    if (said === null || found === null || !isSame(found.kept.digest, digestOf(said.secret))) {
      throw refused('this mesh knows no such token');
    }
    if (found.kept.revoked) throw refused(`the token ${found.id} is revoked`);
    return found;
  }

  async #isOut(id: string): Promise<boolean> {
    return (await this.#get(id))?.kept.revoked !== false;
  }

  #stateOf({ revoked, expires, left }: Kept): TokenReport['state'] {
    if (revoked) return 'revoked';
    if (expires !== 0 && expires <= this.#now()) return 'expired';
    return left <= 0 ? 'used up' : 'valid';
  }

  async #make(kept: Omit<Kept, 'digest'>): Promise<{ id: string; proof: string }> {
    const secret = randomBytes(32).toString('base64url');
    for (;;) {
      const id = Array.from({ length: 12 }, () => ID[randomInt(ID.length)]).join('');
      const made = await this.#records.put(id, { ...kept, digest: digestOf(secret) }, 0);
      if (made) return { id, proof: `${id}.${secret}` };
    }
  }

  async #get(id: string): Promise<{ id: string; kept: Kept; version: number } | null> {
    return asKept(await this.#records.get(id));
  }

  async #all(): Promise<{ id: string; kept: Kept; version: number }[]> {
    return (await this.#records.all()).map(asKept).filter((found) => found !== null);
  }
}

function asKept(record: KeptRecord | null): { id: string; kept: Kept; version: number } | null {
  const kept = record?.value as Kept | undefined;
  if (record === null || typeof kept?.digest !== 'string' || typeof kept.left !== 'number') return null;
  return { id: record.id, kept, version: record.version };
}

function boundsOf({ namespace, serviceAccounts, services }: Bounds): Bounds {
  return { namespace, serviceAccounts, services };
}

function refused(why: string): ApiError {
  return new ApiError(401, why);
}

function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
