// A token that was verified, as the filters behind authn read it: who speaks, and what the issuer says about them.

import type { DecodedToken } from './decode.ts';
import { type Members, member } from './strict-json.ts';

/** Claims that are asked for again and again; further ones are read each time. */
const MAX_REMEMBERED = 64;

export class VerifiedToken {
  /** The payload's JSON. */
  readonly payload: Uint8Array;
  /** 'issuer/subject', or '' when one of them is not there. */
  readonly principal: string;
  private readonly claims: Members;
  readonly issuer: string;
  /** Claims whose text is a list of words. */
  readonly spaceDelimited: readonly string[];
  private readonly remembered = new Map<string, Uint8Array | null>();
  private readonly rememberedTexts = new Map<string, string | null>();

  constructor(token: Pick<DecodedToken, 'claims' | 'issuer' | 'payload'>, spaceDelimited: readonly string[]) {
    const { claims, issuer, payload } = token;
    const subject = member(claims, 'sub');
    this.claims = claims;
    this.issuer = issuer;
    this.payload = payload;
    this.principal = issuer !== '' && typeof subject === 'string' && subject !== '' ? `${issuer}/${subject}` : '';
    this.spaceDelimited = spaceDelimited;
  }

  /** A text, number or boolean as text, a list of them joined by ','. `path`: names joined by NUL. Null: no such claim. */
  text(path: string): string | null {
    const known = this.rememberedTexts.get(path);
    if (known !== undefined) return known;
    const value = this.find(path.split('\0'));
    const text = Array.isArray(value) ? listed(value) : scalar(value);
    if (this.rememberedTexts.size < MAX_REMEMBERED) this.rememberedTexts.set(path, text);
    return text;
  }

  /** What a header says of a claim: no lists. `claim` is a name, or names joined by dots. */
  forHeader(claim: string): string | null {
    return scalar(member(this.claims, claim) ?? this.find(claim.split('.')));
  }

  /**
   * The texts of a claim, encoded as u16 count | (u16 length | UTF-8)...; null when it is neither a text nor a list of
   * texts. `path`: names joined by NUL.
   */
  values(path: string): Uint8Array | null {
    const known = this.remembered.get(path);
    if (known !== undefined) return known;
    const texts = this.texts(path.split('\0'));
    const encoded = texts === null ? null : encodeTexts(texts);
    if (this.remembered.size < MAX_REMEMBERED) this.remembered.set(path, encoded);
    return encoded;
  }

  /** Null when the claim is neither a text nor a list of texts. */
  texts(path: readonly string[]): readonly string[] | null {
    const value = this.find(path);
    if (Array.isArray(value)) return value.filter((one) => typeof one === 'string');
    if (typeof value !== 'string') return null;
    return path.length === 1 && this.spaceDelimited.includes(path[0]) ? value.split(/ +/) : [value];
  }

  private find(path: readonly string[]): unknown {
    let value: unknown = this.claims;
    for (const name of path) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      value = member(value as Members, name);
    }
    return value;
  }
}

/** Null for what is no text, number or boolean. */
function scalar(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

function listed(values: readonly unknown[]): string | null {
  const texts = values.map(scalar);
  return texts.includes(null) ? null : texts.join(',');
}

function encodeTexts(texts: readonly string[]): Uint8Array {
  const parts = texts.map((text) => Buffer.from(text));
  const out = Buffer.alloc(parts.reduce((size, part) => size + 2 + part.length, 2));
  let at = out.writeUInt16LE(parts.length, 0);
  for (const part of parts) {
    at = out.writeUInt16LE(part.length, at);
    at += part.copy(out, at);
  }
  return out;
}
