// The keys of an OpenID Connect issuer: found by its discovery document, kept for as long as they are fresh, and asked for again when a
// token names one that is not known. While the issuer is away those that are known count, for a day.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { guardedFetch } from '../../core/fetch/guarded-fetch.ts';
import { ApiError } from '../api-error.ts';

export interface IssuerOptions {
  /** 'https://id.example/realms/mesh', as tokens say it. */
  readonly issuer: string;
  /** Below whose certificates its own is, in PEM. Default: those that Node trusts. */
  readonly ca?: string;
  /** Ms, monotonic. */
  readonly now?: () => number;
  /** Of one answer of the issuer. Default 5 s. */
  readonly timeoutMs?: number;
  onLog(line: string): void;
}

const FRESH_MS = 300_000;
const MOST_AGE_MS = 86_400_000;
/** From one attempt to the next, whatever tokens name. */
const AGAIN_MS = 10_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 256 * 1024;

export class IssuerKeys {
  readonly #options: IssuerOptions;
  readonly #now: () => number;
  #get: JWTVerifyGetKey | null = null;
  #text = '';
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #why = '';
  #fetching: Promise<void> | null = null;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** By the header of a token. Throws ApiError 503 when no keys are known, errors.JWKSNoMatchingKey when that one is not. */
  readonly key: JWTVerifyGetKey = async (header, token) => {
    const age = this.#now() - this.#fetchedAt;
    if (age > MOST_AGE_MS) await this.fetch();
    else if (age > FRESH_MS) void this.fetch();
    const known = this.#known();
    try {
      return await known(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // One that it has only just begun to sign with.
      await this.fetch();
      const now = this.#known();
      if (now === known) throw error;
      return await now(header, token);
    }
  };

  /** Resolves also when it failed, or was tried only just now. */
  fetch(): Promise<void> {
    if (this.#fetching === null && this.#now() - this.#triedAt < AGAIN_MS) return Promise.resolve();
    this.#fetching ??= this.#fetch().finally(() => {
      this.#triedAt = this.#now();
      this.#fetching = null;
    });
    return this.#fetching;
  }

  #known(): JWTVerifyGetKey {
    const { issuer } = this.#options;
    if (this.#get !== null && this.#now() - this.#fetchedAt <= MOST_AGE_MS) return this.#get;
    const why = this.#why === '' ? 'they were asked for a moment ago' : this.#why;
    throw new ApiError(503, `the keys of ${issuer} are not known, so none of its tokens can be checked: ${why}`);
  }

  async #fetch(): Promise<void> {
    const { issuer, onLog } = this.#options;
    try {
      const { issuer: said, jwks_uri: uri } = await this.#json(
        `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
      );
      if (said !== issuer) throw new Error(`it says that it is the issuer ${quoted(said)}, and not ${issuer}`);
      if (typeof uri !== 'string' || (new URL(issuer).protocol === 'https:' && !uri.startsWith('https://'))) {
        throw new Error(`its jwks_uri is ${quoted(uri)}, and no https URL`);
      }
      const keys = await this.#json(uri);
      const text = JSON.stringify(keys);
      if (text !== this.#text) {
        this.#get = keySet(keys, uri);
        this.#text = text;
      }
      this.#fetchedAt = this.#now();
      if (this.#why !== '') onLog(`the keys of ${issuer} are known again`);
      this.#why = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#why) onLog(`the keys of ${issuer} cannot be had: ${message}`);
      this.#why = message;
    }
  }

  async #json(url: string): Promise<Record<string, unknown>> {
    const { ca, timeoutMs = TIMEOUT_MS } = this.#options;
    // Who started the control plane named the issuer: it may well be in a network of one's own.
    const options = { timeoutMs, maxBytes: MAX_BYTES, allowPrivate: true, maxRedirects: 0, ca };
    const { status, body } = await guardedFetch(url, options);
    if (status !== 200) throw new Error(`${url} answered ${status}`);
    const value = parsed(body.toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    throw new Error(`${url} answered something that is no JSON object`);
  }
}

function keySet(keys: object, uri: string): JWTVerifyGetKey {
  try {
    return createLocalJWKSet(keys as JSONWebKeySet);
  } catch {
    throw new Error(`${uri} answered something that is no set of keys`);
  }
}

/** undefined: it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function quoted(value: unknown): string {
  return (JSON.stringify(value) ?? 'left out').slice(0, 200);
}
