// Which tokens a workload accepts, and the judgement of one of them: by the rule of its issuer, its times, its audiences
// and its signature. Synchronous, because keys are at hand or the token is refused. What was verified once is remembered until
// it expires or the keys change.
//
//   judgement   0 | u16 count u16... of the rules that require a token those that accept this one | u16 rule
//               | u16 count (u8 1 if there | text)... claims for headers | u16-text payload as in the token, if the rule hands it on
//               1 | u16 status | text why
//   text        u16 length | bytes

import { TokenCache } from './cache.ts';
import { type DecodedToken, decodeToken } from './decode.ts';
import { KeySet } from './key-set.ts';
import { REFUSALS, type Refusal } from './refusals.ts';
import { signatureHolds } from './signature.ts';
import { VerifiedToken } from './verified.ts';

/** As authn's configuration says it, in JSON. */
export interface TokenRulesSpec {
  readonly rules: readonly TokenRuleSpec[];
  /** Places where a token may stand, and the rules that look there, by index. */
  readonly locations: readonly (readonly number[])[];
}

export interface TokenRuleSpec {
  /** Its place among the rules that require a token; -1: it requires none. */
  readonly required: number;
  /** Empty: any. */
  readonly issuer: string;
  /** Empty: any. */
  readonly audiences: readonly string[];
  /** A key set, or where it is fetched from. */
  readonly keys: { readonly inline: string } | { readonly remote: string };
  /** Claims that become headers. */
  readonly claims: readonly string[];
  /** True if the payload becomes a header. */
  readonly payload: boolean;
  readonly spaceDelimited: readonly string[];
}

/** Key sets that somebody else fetches. */
export interface RemoteKeys {
  /** Null: none that may be believed now. `now`: milliseconds since the epoch. */
  current(source: string, now: number): KeySet | null;
  /** A token names a key that the set does not have. */
  missing(source: string): void;
}

/** Where nobody fetches keys. */
export const NO_REMOTE_KEYS: RemoteKeys = { current: () => null, missing: () => undefined };

export interface Judgement {
  readonly bytes: Uint8Array;
  /** Null: refused. */
  readonly token: VerifiedToken | null;
}

interface Remembered extends Judgement {
  readonly asked: readonly Asked[];
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** A rule that decided of a token, and the keys that it had. */
interface Asked {
  readonly rule: TokenRuleSpec;
  readonly keys: KeySet | null;
}

/** As Envoy's. */
const CLOCK_SKEW_S = 60;

export class TokenRules {
  private readonly spec: TokenRulesSpec;
  private readonly remote: RemoteKeys;
  private readonly inline = new Map<TokenRuleSpec, KeySet>();
  private readonly cache = new TokenCache<Remembered>();

  /** Throws on a key set that is none. */
  constructor(spec: TokenRulesSpec, remote: RemoteKeys) {
    this.spec = spec;
    this.remote = remote;
    for (const rule of spec.rules) if ('inline' in rule.keys) this.inline.set(rule, new KeySet(rule.keys.inline));
  }

  /** From `start` to `end` lies the request: u16 location | the token. `now`: milliseconds since the epoch. */
  judge(bytes: Buffer, start: number, end: number, now: number): Judgement {
    const known = this.cache.get(bytes, start, end);
    if (known !== undefined && now < known.until && this.standsBy(known.asked, now)) return known;
    const request = bytes.subarray(start, end);
    if (known !== undefined) this.cache.delete(request);
    const verified = this.verify(request.readUInt16LE(0), request.latin1Slice(2), now);
    if (typeof verified === 'string') return refused(verified);
    this.cache.set(request, verified);
    return verified;
  }

  private verify(location: number, text: string, now: number): Remembered | Refusal {
    const token = decodeToken(text);
    if (typeof token === 'string') return token;
    let first: Refusal = REFUSALS.issuer;
    let by = -1;
    const required: number[] = [];
    const asked: Asked[] = [];
    for (const index of this.spec.locations[location] ?? []) {
      const rule = this.spec.rules[index];
      if (rule.issuer !== '' && rule.issuer !== token.issuer) continue;
      // One rule that accepts it is enough, and each that requires one is asked.
      if (by >= 0 && rule.required < 0) continue;
      const refusal = this.verifyBy(rule, token, now);
      if (refusal === null) {
        if (by < 0) by = index;
        if (rule.required >= 0) required.push(rule.required);
      } else if (first === REFUSALS.issuer) first = refusal;
      if (refusal === null || rule.required >= 0) asked.push({ rule, keys: this.keysOf(rule, now) });
    }
    if (by < 0) return first;
    const rule = this.spec.rules[by];
    const verified = new VerifiedToken(token, rule.spaceDelimited);
    const bytes = accepted(by, required, rule, token, verified);
    return { bytes, token: verified, asked, until: (token.expires + CLOCK_SKEW_S) * 1000 };
  }

  private standsBy(asked: readonly Asked[], now: number): boolean {
    for (const { rule, keys } of asked) if (this.keysOf(rule, now) !== keys) return false;
    return true;
  }

  /** Why the rule does not accept it, or null. */
  private verifyBy(rule: TokenRuleSpec, token: DecodedToken, now: number): Refusal | null {
    const seconds = now / 1000;
    if (seconds >= token.expires + CLOCK_SKEW_S) return REFUSALS.expired;
    if (seconds < token.notBefore - CLOCK_SKEW_S) return REFUSALS.notYet;
    if (!audienceAllowed(rule.audiences, token.audiences)) return REFUSALS.audience;
    const keys = this.keysOf(rule, now);
    if (keys === null) return REFUSALS.fetch;
    if (keys.keys.length === 0) return REFUSALS.noKeys;
    const candidates = keys.candidates(token.algorithm, token.keyId);
    if (candidates.length === 0) {
      if ('remote' in rule.keys) this.remote.missing(rule.keys.remote);
      return REFUSALS.noMatch;
    }
    const { algorithm, signed, signature } = token;
    const holds = candidates.some(({ key }) => signatureHolds(algorithm, key, signed, signature));
    return holds ? null : REFUSALS.signature;
  }

  private keysOf(rule: TokenRuleSpec, now: number): KeySet | null {
    return 'remote' in rule.keys ? this.remote.current(rule.keys.remote, now) : (this.inline.get(rule) ?? null);
  }
}

/** As Envoy compares them: without the scheme of a URL and a slash at its end. */
function audienceAllowed(wanted: readonly string[], given: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const bare = (audience: string): string => audience.replace(/^https?:\/\//, '').replace(/\/$/, '');
  const allowed = new Set(wanted.map(bare));
  return given.some((audience) => allowed.has(bare(audience)));
}

function accepted(
  index: number,
  required: readonly number[],
  rule: TokenRuleSpec,
  token: DecodedToken,
  verified: VerifiedToken,
): Uint8Array {
  const claims = rule.claims.map((claim) => verified.forHeader(claim));
  return Buffer.concat([
    Buffer.of(0),
    u16(required.length),
    ...required.map(u16),
    u16(index),
    u16(claims.length),
    ...claims.flatMap((value) => [Buffer.of(value === null ? 0 : 1), text(Buffer.from(value ?? ''))]),
    text(Buffer.from(rule.payload ? token.encodedPayload : '')),
  ]);
}

const REFUSED = new Map<Refusal, Judgement>();

function refused(why: Refusal): Judgement {
  let judgement = REFUSED.get(why);
  if (judgement === undefined) {
    const status = why === REFUSALS.audience ? 403 : 401;
    judgement = { bytes: Buffer.concat([Buffer.of(1), u16(status), text(Buffer.from(why))]), token: null };
    REFUSED.set(why, judgement);
  }
  return judgement;
}

function text(bytes: Buffer): Buffer {
  return Buffer.concat([u16(bytes.length), bytes]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
