// A JSON web token (RFC 7519) in compact form, taken apart and checked for form. Nothing here says that it may be believed.

import { REFUSALS, type Refusal } from './refusals.ts';
import { type Algorithm, isAlgorithm } from './signature.ts';
import { type Members, member, strictObject } from './strict-json.ts';

/** Longer ones are refused unread. */
export const MAX_TOKEN_BYTES = 16 * 1024;

export interface DecodedToken {
  readonly algorithm: Algorithm;
  /** Which key signed it, or null: any may have. */
  readonly keyId: string | null;
  readonly claims: Members;
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Seconds since the epoch; Infinity: it never expires. */
  readonly expires: number;
  /** Seconds since the epoch; 0: since ever. */
  readonly notBefore: number;
  /** JSON as it was signed. */
  readonly payload: Buffer;
  /** The same as it stands in the token. */
  readonly encodedPayload: string;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** Takes a token apart, or says what is wrong with its form. */
export function decodeToken(token: string): DecodedToken | Refusal {
  if (token.length > MAX_TOKEN_BYTES) return REFUSALS.tooLarge;
  const parts = token.split('.', 4);
  if (parts.length !== 3 || parts.includes('')) return REFUSALS.format;
  const [header, encodedPayload, last] = parts;
  const signer = readHeader(header);
  if (typeof signer === 'string') return signer;
  const payload = base64url(encodedPayload);
  if (payload === null) return REFUSALS.payloadBase64;
  const body = readPayload(payload);
  if (typeof body === 'string') return body;
  const signature = base64url(last);
  if (signature === null) return REFUSALS.signatureBase64;
  return { ...signer, ...body, payload, encodedPayload, signed: Buffer.from(`${header}.${encodedPayload}`), signature };
}

function readHeader(encoded: string): Pick<DecodedToken, 'algorithm' | 'keyId'> | Refusal {
  const bytes = base64url(encoded);
  if (bytes === null) return REFUSALS.headerBase64;
  const header = strictObject(bytes);
  if (header === null) return REFUSALS.headerJson;
  const algorithm = member(header, 'alg');
  if (typeof algorithm !== 'string') return REFUSALS.algMissing;
  if (!isAlgorithm(algorithm)) return REFUSALS.algUnknown;
  const keyId = member(header, 'kid');
  if (keyId !== undefined && typeof keyId !== 'string') return REFUSALS.kid;
  // Extensions that have to be understood, and none is (RFC 7515 4.1.11).
  if (member(header, 'crit') !== undefined) return REFUSALS.crit;
  return { algorithm, keyId: keyId ?? null };
}

type Body = Pick<DecodedToken, 'claims' | 'issuer' | 'audiences' | 'expires' | 'notBefore'>;

function readPayload(bytes: Buffer): Body | Refusal {
  const claims = strictObject(bytes);
  if (claims === null) return REFUSALS.payloadJson;
  const claim = (name: string, otherwise?: unknown): unknown =>
    Object.hasOwn(claims, name) ? claims[name] : otherwise;
  const issuer = claim('iss', '');
  if (typeof issuer !== 'string') return REFUSALS.iss;
  if (typeof claim('sub', '') !== 'string') return REFUSALS.sub;
  const audiences = audienceList(claim('aud', []));
  if (audiences === null) return REFUSALS.aud;
  const issued = claim('iat', 0);
  if (typeof issued !== 'number') return REFUSALS.iat;
  if (issued < 0) return REFUSALS.iatRange;
  const expires = claim('exp', Number.POSITIVE_INFINITY);
  if (typeof expires !== 'number') return REFUSALS.exp;
  if (expires < 0) return REFUSALS.expRange;
  const notBefore = claim('nbf', 0);
  if (typeof notBefore !== 'number') return REFUSALS.nbf;
  if (notBefore < 0) return REFUSALS.nbfRange;
  if (typeof claim('jti', '') !== 'string') return REFUSALS.jti;
  return { claims, issuer, audiences, expires, notBefore };
}

function audienceList(value: unknown): readonly string[] | null {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : null;
}

/** Null when the text is not what an encoder would have written: no padding, no other alphabet, no stray bits. */
function base64url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}
