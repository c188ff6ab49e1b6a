// An issuer of tokens with a key for each kind of signature. Signs with jose, which the proxy does not verify with.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';

import { SignJWT } from 'jose';

export const ISSUER = 'https://issuer.example';

interface Pair {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const PAIRS: Readonly<Record<string, Pair>> = {
  rsa: { id: 'rsa', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) },
  p256: { id: 'p256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  p384: { id: 'p384', ...generateKeyPairSync('ec', { namedCurve: 'P-384' }) },
  p521: { id: 'p521', ...generateKeyPairSync('ec', { namedCurve: 'P-521' }) },
  ed25519: { id: 'ed25519', ...generateKeyPairSync('ed25519') },
};

const PAIR_OF: Readonly<Record<string, string>> = {
  ...{ RS256: 'rsa', RS384: 'rsa', RS512: 'rsa', PS256: 'rsa', PS384: 'rsa', PS512: 'rsa' },
  ...{ ES256: 'p256', ES384: 'p384', ES512: 'p521', EdDSA: 'ed25519' },
};

export const ALGORITHMS = Object.keys(PAIR_OF);

/** 2023-11-14T22:13:20Z, what clocks of tests show. */
export const NOW_S = 1_700_000_000;

/** The public half of a pair as a JSON web key. */
export function publicJwk(pair: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { ...PAIRS[pair].publicKey.export({ format: 'jwk' }), kid: pair, ...more };
}

export function publicKey(pair: string): KeyObject {
  return PAIRS[pair].publicKey;
}

/** The issuer's key set with all of its keys, or some. */
export function jwks(pairs: readonly string[] = Object.keys(PAIRS)): string {
  return JSON.stringify({ keys: pairs.map((pair) => publicJwk(pair)) });
}

export const KEYS = jwks();

/** Good for an hour unless the claims say otherwise. */
export function token(
  claims: Record<string, unknown> = {},
  algorithm = 'ES256',
  header: Record<string, unknown> = {},
): Promise<string> {
  const { id, privateKey } = PAIRS[PAIR_OF[algorithm]];
  return new SignJWT({ iss: ISSUER, sub: 'jason', iat: NOW_S, exp: NOW_S + 3600, ...claims })
    .setProtectedHeader({ alg: algorithm, kid: id, ...header })
    .sign(privateKey);
}

/** Three parts of any content, encoded. */
export function compact(header: unknown, payload: unknown, signature: string | Uint8Array = 'signature'): string {
  const part = (value: unknown): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(payload)}.${Buffer.from(signature).toString('base64url')}`;
}
