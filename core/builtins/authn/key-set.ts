// A JSON web key set (RFC 7517): the public keys of an issuer. Keys that cannot verify anything are left out.

import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

import { type Algorithm, isUsable, suits } from './signature.ts';

export interface VerificationKey {
  readonly id: string | null;
  /** The only algorithm that it is for, or null. */
  readonly algorithm: string | null;
  readonly key: KeyObject;
}

/** Further ones are left out. */
const MAX_KEYS = 100;

export class KeySet {
  readonly keys: readonly VerificationKey[];

  /** Throws what is wrong with the text. */
  constructor(text: string) {
    const set: unknown = JSON.parse(text);
    if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys)) {
      throw new Error('no JSON web key set: it has no list of keys');
    }
    this.keys = set.keys.slice(0, MAX_KEYS).flatMap((key: unknown) => importKey(key) ?? []);
  }

  /** Keys that may have made a signature of this algorithm, by the key that the token names. */
  candidates(algorithm: Algorithm, id: string | null): readonly VerificationKey[] {
    return this.keys.filter(
      (one) =>
        (id === null || one.id === null || one.id === id) &&
        (one.algorithm === null || one.algorithm === algorithm) &&
        suits(algorithm, one.key),
    );
  }
}

function importKey(value: unknown): VerificationKey | null {
  if (typeof value !== 'object' || value === null) return null;
  const { kty, use, key_ops: operations, alg, kid } = value as Record<string, unknown>;
  // A secret is no public key, whatever else it says.
  if (kty === 'oct' || (use !== undefined && use !== 'sig')) return null;
  if (Array.isArray(operations) && !operations.includes('verify')) return null;
  let key: KeyObject;
  try {
    key = createPublicKey({ format: 'jwk', key: value as JsonWebKey });
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
  if (!isUsable(key)) return null;
  return { id: typeof kid === 'string' ? kid : null, algorithm: typeof alg === 'string' ? alg : null, key };
}
