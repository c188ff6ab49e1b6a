// Whom a token of an OpenID Connect issuer stands for, as kube-apiserver takes them: an ID token for this audience, signed by a key of
// the issuer's. Roles come by the name and the groups in it.
import { createHash } from 'node:crypto';
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { ApiError } from '../api-error.ts';
import type { Holder } from './caller.ts';
import { IssuerKeys, type IssuerOptions } from './issuer-keys.ts';
import { grantsOf, isName, type Roles } from './roles.ts';
import { TokenOverError } from './token-over.ts';

export interface OidcOptions extends Omit<IssuerOptions, 'now' | 'onLog'> {
  /** What tokens have to be for: their audience. */
  readonly clientId: string;
  /** Default 'sub'. */
  readonly usernameClaim?: string;
  /** Default 'groups'. */
  readonly groupsClaim?: string;
}

interface Known {
  readonly holder: Holder;
  /** Ms of the epoch. */
  readonly until: number;
}

/** By a key that the issuer keeps to itself: neither none nor a secret that two know. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const SKEW_S = 60;
/** After which it is checked again, with the keys that there are then. */
const KNOWN_MS = 60_000;
const MAX_KNOWN = 1_000;
/** There is no later date. */
const LATEST = 8.64e15;
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

export class Oidc {
  readonly #options: OidcOptions;
  readonly #roles: Roles;
  readonly #keys: IssuerKeys;
  readonly #now: () => number;
  /** By their SHA-256. */
  readonly #known = new Map<string, Known>();

  /** `now`: ms of the epoch, which age keys, too. */
  constructor(options: OidcOptions, roles: Roles, { onLog, now }: { onLog(line: string): void; now?: () => number }) {
    this.#options = options;
    this.#roles = roles;
    this.#now = now ?? Date.now;
    this.#keys = new IssuerKeys({ ...options, onLog, now });
  }

  /** Asks for the issuer's keys before anybody comes with a token. */
  start(): void {
    void this.#keys.fetch();
  }

  /** Of a token that was checked a moment ago. */
  known(token: string): Holder | null {
    const known = this.#known.get(digest(token));
    return known !== undefined && known.until > this.#now() ? known.holder : null;
  }

  /** null: it is none. Throws ApiError 401, 503 while the issuer's keys are not known. */
  async holder(token: string): Promise<Holder | null> {
    if (!JWT.test(token)) return null;
    const claims = await this.#verify(token);
    const holder = this.#holderOf(claims);
    const digested = digest(token);
    this.#known.delete(digested);
    this.#known.set(digested, { holder, until: Math.min(this.#now() + KNOWN_MS, holder.expires!) });
    if (this.#known.size > MAX_KNOWN) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest);
    }
    return holder;
  }

  async #verify(token: string): Promise<JWTPayload> {
    const { issuer, clientId } = this.#options;
    if (issuerOf(token) !== issuer) throw new ApiError(401, `the token is not one of ${issuer}`);
    try {
      const { payload } = await jwtVerify(token, this.#keys.key, {
        ...{ issuer, audience: clientId, algorithms: ALGORITHMS },
        ...{ clockTolerance: SKEW_S, currentDate: new Date(this.#now()), requiredClaims: ['exp'] },
      });
      return payload;
    } catch (error) {
      if (error instanceof ApiError) throw error;
      if (error instanceof errors.JWTExpired) {
        throw new TokenOverError(`the token of ${this.#nameIn(error.payload)} expired at ${iso(error.payload.exp)}`);
      }
      throw new ApiError(401, `the token of ${issuer} is not valid: ${this.#why(error)}`);
    }
  }

  #why(error: unknown): string {
    if (error instanceof errors.JWTClaimValidationFailed) {
      const { claim, payload } = error;
      if (claim === 'aud') return `it is for ${shown(payload.aud)}, and not for ${this.#options.clientId}`;
      if (claim === 'nbf') return `it counts from ${iso(payload.nbf)} on`;
      return `its claim ${claim} is ${shown(payload[claim])}`;
    }
    if (error instanceof errors.JOSEAlgNotAllowed) return `only signatures by ${ALGORITHMS.join(', ')} are taken`;
    if (error instanceof errors.JWKSNoMatchingKey) return 'the issuer has no key such as it is signed by';
    if (error instanceof errors.JWKSMultipleMatchingKeys) return 'it does not say by which key it is signed';
    if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is wrong';
    return 'it is no signed JWT that can be read';
  }

  #holderOf(claims: JWTPayload): Holder {
    const { issuer, usernameClaim = 'sub', groupsClaim = 'groups' } = this.#options;
    const user = claims[usernameClaim];
    const invalid = (why: string) => new ApiError(401, `the token of ${issuer} is not valid: ${why}`);
    if (!isName(user)) throw invalid(`its claim ${usernameClaim}, the name, is ${shown(user)}`);
    // Whoever may write any address there would be anybody.
    if (usernameClaim === 'email' && 'email_verified' in claims && claims.email_verified !== true) {
      throw invalid(`the address ${user} is not verified`);
    }
    const told = claims[groupsClaim];
    const groups = (Array.isArray(told) ? told : [told]).filter((group) => typeof group === 'string');
    const name = `oidc:${user}`;
    return {
      name,
      grants: grantsOf(this.#roles, name, groups),
      expires: Math.min((claims.exp! + SKEW_S) * 1_000, LATEST),
    };
  }

  #nameIn(claims: JWTPayload): string {
    const user = claims[this.#options.usernameClaim ?? 'sub'];
    return isName(user) ? `oidc:${user}` : this.#options.issuer;
  }
}

/** '': nothing says so. */
function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    return '';
  }
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 200);
}

function iso(seconds: number | undefined): string {
  const at = new Date((seconds ?? Number.NaN) * 1_000);
  return Number.isNaN(at.getTime()) ? 'no time that there is' : at.toISOString();
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
