// Signature algorithms of JSON web tokens (RFC 7518, 8037), and whether a key made a signature. Only asymmetric ones: a
// key that everybody may read proves nothing when it is taken for a shared secret.

import { constants, type KeyObject, verify } from 'node:crypto';

export type Algorithm = keyof typeof ALGORITHMS;

interface Scheme {
  /** Null: the scheme hashes by itself. */
  readonly hash: string | null;
  readonly keyType: 'rsa' | 'ec' | 'ed25519';
  /** OpenSSL's name of the curve of an EC key. */
  readonly curve?: string;
  readonly pss?: true;
  /** Of the signature; RSA's is as long as its key. */
  readonly bytes?: number;
}

const ALGORITHMS = {
  RS256: { hash: 'sha256', keyType: 'rsa' },
  RS384: { hash: 'sha384', keyType: 'rsa' },
  RS512: { hash: 'sha512', keyType: 'rsa' },
  PS256: { hash: 'sha256', keyType: 'rsa', pss: true },
  PS384: { hash: 'sha384', keyType: 'rsa', pss: true },
  PS512: { hash: 'sha512', keyType: 'rsa', pss: true },
  ES256: { hash: 'sha256', keyType: 'ec', curve: 'prime256v1', bytes: 64 },
  ES384: { hash: 'sha384', keyType: 'ec', curve: 'secp384r1', bytes: 96 },
  ES512: { hash: 'sha512', keyType: 'ec', curve: 'secp521r1', bytes: 132 },
  EdDSA: { hash: null, keyType: 'ed25519', bytes: 64 },
} as const satisfies Record<string, Scheme>;

/** RFC 7518 3.3 */
const MIN_RSA_BITS = 2048;

export function isAlgorithm(name: string): name is Algorithm {
  return Object.hasOwn(ALGORITHMS, name);
}

/** True if signatures of this algorithm are made with keys of this kind. */
export function suits(algorithm: Algorithm, key: KeyObject): boolean {
  const scheme: Scheme = ALGORITHMS[algorithm];
  return scheme.keyType === key.asymmetricKeyType && scheme.curve === curveOf(key);
}

/** True if any algorithm takes this key: of a known kind and, for RSA, long enough. */
export function isUsable(key: KeyObject): boolean {
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) return false;
  return (Object.keys(ALGORITHMS) as Algorithm[]).some((algorithm) => suits(algorithm, key));
}

/** `key` has to suit the algorithm. */
export function signatureHolds(algorithm: Algorithm, key: KeyObject, signed: Buffer, signature: Buffer): boolean {
  const scheme: Scheme = ALGORITHMS[algorithm];
  if (scheme.bytes !== undefined && signature.length !== scheme.bytes) return false;
  if (scheme.keyType === 'ec') return verify(scheme.hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
  if (scheme.pss !== true) return verify(scheme.hash, signed, key, signature);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verify(scheme.hash, signed, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, signature);
}

function curveOf(key: KeyObject): string | undefined {
  return key.asymmetricKeyType === 'ec' ? key.asymmetricKeyDetails?.namedCurve : undefined;
}
