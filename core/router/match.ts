// One item of a VirtualService's `match`: all its conditions must hold. Compiled to checks on the head's bytes; strings
// are made only for regular expressions and query parameters.

import type { HTTPMatchRequest, StringMatch } from '../config/kinds/virtual-service.ts';
import { compileRegex } from '../config/regex.ts';
import { FieldName, type Head } from '../http/head.ts';
import { normalRule } from '../http/path.ts';
import { type ClaimCondition, type Claims, claimCondition } from './claims.ts';
import { exactly } from './exactly.ts';
import { stringTest } from './string-test.ts';

export interface Matcher {
  /** Bytes of the path that the match covered, for rewrites: the prefix, or all but the query; -1: no match. */
  match(head: Head, claims: Claims | null): number;
  /** It asks for claims: which requests it matches is known when their tokens are verified. */
  readonly asksClaims: boolean;
  /** What a path begins with that it matches, to the byte; null: that is not known beforehand. */
  readonly begins: string | null;
  /** As proxy-config shows it: '/static*', '/login', '~/v[0-9]+'. */
  readonly text: string;
}

type Condition = (head: Head) => boolean;

export function compileMatch(match: HTTPMatchRequest): Matcher {
  const conditions: Condition[] = [];
  const claimed: ClaimCondition[] = [];
  const texts: string[] = [];
  const uri = match.uri === undefined || isAny(match.uri) ? null : normalMatch(match.uri);
  const path = uri === null ? null : pathMatch(uri, match.ignoreUriCase === true);
  if (uri !== null) texts.push(textOf(uri));
  const add = (label: string, condition: Condition): void => {
    conditions.push(condition);
    texts.push(label);
  };
  if (match.method !== undefined) {
    const test = stringTest(match.method);
    add(`method ${textOf(match.method)}`, (head) => test(head.method));
  }
  if (match.authority !== undefined) {
    const test = stringTest(match.authority);
    add(`authority ${textOf(match.authority)}`, (head) => test(head.authority));
  }
  if (match.scheme !== undefined) {
    const test = stringTest(match.scheme);
    add(`scheme ${textOf(match.scheme)}`, (head) => test(head.scheme));
  }
  for (const [name, value] of Object.entries(match.headers ?? {})) {
    const claim = claimCondition(name, value);
    if (claim === null) add(`${name} ${textOf(value)}`, headerCondition(name, value));
    else {
      claimed.push(claim);
      texts.push(`${name} ${textOf(value)}`);
    }
  }
  for (const [name, value] of Object.entries(match.withoutHeaders ?? {})) {
    const claim = claimCondition(name, value);
    if (claim !== null) {
      claimed.push((claims) => !claim(claims));
      texts.push(`without ${name} ${textOf(value)}`);
      continue;
    }
    const condition = headerCondition(name, value, value.regex !== undefined && value.regex !== '*');
    add(`without ${name} ${textOf(value)}`, (head) => !condition(head));
  }
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    const test = stringTest(value);
    add(`?${name} ${textOf(value)}`, (head) => {
      const found = queryParameter(head.path, name);
      return found !== null && test(found);
    });
  }
  return {
    begins: uri === null || match.ignoreUriCase === true ? null : (uri.exact ?? uri.prefix ?? null),
    text: texts.join(' && ') || '*',
    asksClaims: claimed.length > 0,
    match: allOf(path, conditions, claimed),
  };
}

/** Made apart from what it is made with: a large mesh has many, and what they can see is kept. */
function allOf(
  path: ((head: Head) => number) | null,
  conditions: readonly Condition[],
  claimed: readonly ClaimCondition[],
): Matcher['match'] {
  const [ofHead, ofClaims] = [exactly(conditions), exactly(claimed)];
  return (head, claims) => {
    const covered = path === null ? 0 : path(head);
    if (covered < 0) return -1;
    for (const condition of ofHead) if (!condition(head)) return -1;
    for (const condition of ofClaims) if (!condition(claims)) return -1;
    return covered;
  };
}

/** Every path satisfies it. */
function isAny({ exact, prefix, regex }: StringMatch): boolean {
  return exact === undefined && prefix === undefined && regex === undefined;
}

/** The match of a path as paths of requests arrive. */
function normalMatch(match: StringMatch): StringMatch {
  if (match.exact !== undefined) return { exact: normalRule(match.exact, true) };
  return match.prefix === undefined ? match : { prefix: normalRule(match.prefix, false) };
}

export function textOf(match: StringMatch): string {
  if (match.exact !== undefined) return match.exact;
  if (match.prefix !== undefined) return `${match.prefix}*`;
  if (match.regex !== undefined) return `~${match.regex}`;
  return 'present';
}

/** `absentIsEmpty`: a header that is not there is matched as an empty one, as Envoy does where the match is inverted. */
function headerCondition(name: string, match: StringMatch, absentIsEmpty = false): Condition {
  const lower = name.toLowerCase();
  const test = stringTest(lower === ':path' ? normalMatch(match) : match);
  switch (lower) {
    case ':authority':
      return (head) => test(head.authority);
    case ':method':
      return (head) => test(head.method);
    case ':path':
      return (head) => test(head.path);
    case ':scheme':
      return (head) => test(head.scheme);
  }
  const field = new FieldName(name);
  // Envoy joins repeated fields with a comma before it matches; one field, the usual case, costs one string.
  return (head) => {
    const value = head.joined(field, ',') ?? (absentIsEmpty ? '' : undefined);
    return value !== undefined && test(value);
  };
}

/** Bytes covered, or -1. The query is not part of what is matched. */
function pathMatch(match: StringMatch, ignoreCase: boolean): (head: Head) => number {
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text);
  if (match.exact !== undefined || match.prefix !== undefined) {
    const wanted = fold(match.exact ?? match.prefix!);
    const exact = match.exact !== undefined;
    const codes = Buffer.from(wanted);
    return (head) => {
      if (head.newPath !== null || ignoreCase) {
        const path = fold(withoutQuery(head.path));
        return (exact ? path === wanted : path.startsWith(wanted)) ? wanted.length : -1;
      }
      return exact ? exactBytes(head, codes) : prefixBytes(head, codes);
    };
  }
  const regex = compileRegex(ignoreCase ? `(?i)${match.regex!}` : match.regex!);
  return (head) => {
    const bare = withoutQuery(head.path);
    return regex.matches(bare) ? bare.length : -1;
  };
}

function prefixBytes(head: Head, codes: Buffer): number {
  if (head.pathLength < codes.length) return -1;
  const { bytes, pathStart } = head;
  for (let i = 0; i < codes.length; i++) if (bytes[pathStart + i] !== codes[i]) return -1;
  return codes.length;
}

function exactBytes(head: Head, codes: Buffer): number {
  const covered = prefixBytes(head, codes);
  if (covered < 0 || head.pathLength === covered) return covered;
  return head.bytes[head.pathStart + covered] === 0x3f /* ? */ ? covered : -1;
}

export function withoutQuery(path: string): string {
  const mark = path.indexOf('?');
  return mark < 0 ? path : path.slice(0, mark);
}

/** The first value of a query parameter, byte for byte as it was sent; '' when it has none, null when it is absent. */
function queryParameter(path: string, name: string): string | null {
  const mark = path.indexOf('?');
  if (mark < 0) return null;
  for (const pair of path.slice(mark + 1).split('&')) {
    const equals = pair.indexOf('=');
    if ((equals < 0 ? pair : pair.slice(0, equals)) === name) return equals < 0 ? '' : pair.slice(equals + 1);
  }
  return null;
}
