// One place on the web where an issuer publishes its keys: fetched again and again, and sooner after a failure or when a
// token names a key that the set does not have. What was fetched last stays while the issuer cannot be reached.

import { KeySet } from '../builtins/authn/key-set.ts';
import { member, strictObject } from '../builtins/authn/strict-json.ts';
import { guardedFetch } from '../fetch/guarded-fetch.ts';

/** Istio's, give or take a tenth. */
const REFRESH_MS = 20 * 60_000;
/** An unknown key is asked for at most once in this time. */
export const EARLY_MS = 30_000;
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
const MAX_BYTES = 1 << 20;
/** Its content is no key set but says where the key set is. */
const DISCOVERY = '/.well-known/openid-configuration';

export interface KeySourceEnvironment {
  readonly allowPrivate: boolean;
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls `run` in so many milliseconds, unless what is returned is called before. */
  later(ms: number, run: () => void): () => void;
  /** [0, 1) */
  random(): number;
  /** Keys have come, the same or others. */
  fetched(source: KeySource): void;
  failed(source: KeySource, why: string, retryInMs: number): void;
}

export class KeySource {
  readonly url: string;
  timeoutMs: number;
  /** The key set as it was fetched, or as it was kept. */
  keys: string | null;
  /** Fetches that failed since one succeeded. */
  failures = 0;
  private readonly environment: KeySourceEnvironment;
  private cancel: () => void = () => undefined;
  private dueAt = 0;
  private begunAt = Number.NEGATIVE_INFINITY;
  private fetching = false;
  private ended = false;

  constructor(url: string, timeoutMs: number, kept: string | null, environment: KeySourceEnvironment) {
    this.url = url;
    this.timeoutMs = timeoutMs;
    this.keys = kept;
    this.environment = environment;
    void this.fetch();
  }

  /** A token names a key that the set does not have: the issuer may have a new one. */
  early(): void {
    const at = Math.max(this.environment.now(), this.begunAt + EARLY_MS);
    if (!this.fetching && at < this.dueAt) this.schedule(at - this.environment.now());
  }

  end(): void {
    this.ended = true;
    this.cancel();
  }

  private schedule(ms: number): void {
    this.cancel();
    this.dueAt = this.environment.now() + ms;
    this.cancel = this.environment.later(ms, () => void this.fetch());
  }

  private async fetch(): Promise<void> {
    const { environment } = this;
    this.fetching = true;
    this.begunAt = environment.now();
    const outcome = await this.download().then(
      (keys) => ({ keys }),
      (error: Error) => ({ why: error.message }),
    );
    this.fetching = false;
    if (this.ended) return;
    const spread = 0.9 + environment.random() / 5;
    if ('keys' in outcome) {
      this.failures = 0;
      this.keys = outcome.keys;
      this.schedule(REFRESH_MS * spread);
      environment.fetched(this);
      return;
    }
    const wait = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS << Math.min(this.failures++, 10)) * spread;
    this.schedule(wait);
    environment.failed(this, outcome.why, wait);
  }

  /** Rejects with the reason in one line. */
  private async download(): Promise<string> {
    const deadline = this.environment.now() + this.timeoutMs;
    const first = await this.get(this.url, deadline);
    if (!new URL(this.url).pathname.endsWith(DISCOVERY)) return keySetIn(this.url, first);
    const document = strictObject(first);
    const place = document === null ? undefined : member(document, 'jwks_uri');
    if (typeof place !== 'string') throw new Error(`${bare(this.url)} names no jwks_uri`);
    return keySetIn(place, await this.get(place, deadline));
  }

  private async get(url: string, deadline: number): Promise<Buffer> {
    const timeoutMs = Math.max(1, Math.ceil(deadline - this.environment.now()));
    const { allowPrivate } = this.environment;
    const { status, body } = await guardedFetch(url, { timeoutMs, maxBytes: MAX_BYTES, allowPrivate });
    if (status !== 200) throw new Error(`${bare(url)} answers with status ${status}`);
    return body;
  }
}

/** A set without a key that can verify anything is a mistake of the issuer's: the last good one is better. */
function keySetIn(url: string, body: Buffer): string {
  const text = body.toString();
  let keys: KeySet;
  try {
    keys = new KeySet(text);
  } catch (error) {
    throw new Error(`${bare(url)} is no key set: ${(error as Error).message}`);
  }
  if (keys.keys.length === 0) throw new Error(`${bare(url)} has no key that can verify a signature`);
  return text;
}

/** Without the query, in which a secret may stand. */
function bare(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
