// RequestAuthentication -> the configuration of the authn filter: which rules apply to this workload, where each looks for
// tokens, and what becomes of a token that holds. layout.ts draws its bytes.

import { appliesTo } from '../../config/attachment.ts';
import { parseDuration } from '../../config/duration.ts';
import type { JWTRule, RequestAuthenticationSpec } from '../../config/kinds/request-authentication.ts';
import type { Resource } from '../../config/resource.ts';
import type { Node } from '../../workload.ts';
import type { Builtin } from '../builtin.ts';
import { type Configured, configured } from '../configured.ts';
import { list, sized, text, u16 } from '../encoding.ts';
import { tokenFunctions } from './foreign-token.ts';
import { IN_COOKIE, IN_HEADER, IN_PARAMETER, VERSION } from './layout.ts';
import type { TokenRuleSpec, TokenRulesSpec } from './rules.ts';

/** Claims that are lists of words wherever they come from, as in Istio. */
const SPACE_DELIMITED = ['scope', 'permission'];

/** As Istio's. */
const FETCH_TIMEOUT_MS = 5000;
const MAX_FETCH_TIMEOUT_MS = 60_000;

type Policy = Resource<RequestAuthenticationSpec>;

interface Place {
  readonly kind: number;
  readonly name: string;
  readonly prefix: string;
  readonly rules: number[];
}

export const authn = {
  standing: {
    scope: 'workload',
    kinds: ['RequestAuthentication'],
    configure: (policies, node) => authenticationConfig(policies('RequestAuthentication'), node),
  },
  foreign: ({ keys }) => tokenFunctions(keys),
} satisfies Builtin;

/** The filter's configuration at this workload; null when no rule applies. */
export function authenticationConfig(policies: readonly Policy[], node: Node): Configured | null {
  const rules = rulesAt(policies, node);
  if (rules.length === 0) return null;
  const places = placesOf(rules);
  const requiring = rules.filter(requires);
  const spec: TokenRulesSpec = {
    rules: rules.map((rule) => forHost(rule, requiring.indexOf(rule))),
    locations: places.map((place) => place.rules),
  };
  const json = Buffer.from(JSON.stringify(spec));
  const written = new Set(rules.flatMap((rule) => [payloadHeader(rule), ...claimHeaders(rule)]).filter(Boolean));
  const bytes = Buffer.concat([
    Buffer.of(VERSION),
    sized(json),
    list([...written], text),
    u16(requiring.length),
    list(places, ({ kind, name, prefix }) => Buffer.concat([Buffer.of(kind), text(name), text(prefix)])),
    list(rules, encodeRule),
  ]);
  return configured('authn', bytes);
}

/** The rules of all policies for this workload, in the order of the policies' names. */
export function rulesAt(policies: readonly Policy[], node: Node): JWTRule[] {
  return policies.filter((policy) => appliesTo(policy, node)).flatMap(({ spec }) => spec.jwtRules ?? []);
}

/** Where a rule's keys are fetched from when they do not stand in it: a key set, or what the issuer publishes about itself. */
export function keySource({ issuer, jwksUri }: JWTRule): string {
  return jwksUri ?? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

/** Where keys are fetched from for this workload, and how long that may take in milliseconds. */
export function remoteKeySources(policies: readonly Policy[], node: Node): Map<string, number> {
  const sources = new Map<string, number>();
  for (const rule of rulesAt(policies, node)) {
    if (rule.jwks !== undefined) continue;
    const source = keySource(rule);
    const timeoutMs = rule.timeout === undefined ? FETCH_TIMEOUT_MS : parseDuration(rule.timeout);
    sources.set(source, Math.min(MAX_FETCH_TIMEOUT_MS, Math.max(timeoutMs, sources.get(source) ?? 0)));
  }
  return sources;
}

function requires({ presence }: JWTRule): boolean {
  return presence === 'REQUIRED';
}

function forHost(rule: JWTRule, required: number): TokenRuleSpec {
  return {
    required,
    issuer: rule.issuer,
    audiences: rule.audiences ?? [],
    keys: rule.jwks === undefined ? { remote: keySource(rule) } : { inline: rule.jwks },
    claims: (rule.outputClaimToHeaders ?? []).map(({ claim }) => claim),
    payload: rule.outputPayloadToHeader !== undefined,
    spaceDelimited: [...SPACE_DELIMITED, ...(rule.spaceDelimitedClaims ?? [])],
  };
}

/** Rules that look at the same place share it: a token there is judged by the rule of its issuer. */
function placesOf(rules: readonly JWTRule[]): Place[] {
  const places = new Map<string, Place>();
  const add = (rule: number, kind: number, name: string, prefix = ''): void => {
    const key = JSON.stringify([kind, name, prefix]);
    const place = places.get(key) ?? { kind, name, prefix, rules: [] };
    places.set(key, place);
    if (!place.rules.includes(rule)) place.rules.push(rule);
  };
  rules.forEach(({ fromHeaders = [], fromParams = [], fromCookies = [] }, rule) => {
    for (const { name, prefix } of fromHeaders) add(rule, IN_HEADER, name.toLowerCase(), prefix);
    for (const name of fromParams) add(rule, IN_PARAMETER, name);
    for (const name of fromCookies) add(rule, IN_COOKIE, name);
    if (fromHeaders.length + fromParams.length + fromCookies.length > 0) return;
    add(rule, IN_HEADER, 'authorization', 'Bearer ');
    add(rule, IN_PARAMETER, 'access_token');
  });
  return [...places.values()];
}

function encodeRule(rule: JWTRule): Buffer {
  const forwarded = Buffer.of(rule.forwardOriginalToken === true ? 1 : 0);
  return sized(forwarded, text(payloadHeader(rule)), list(claimHeaders(rule), text));
}

function payloadHeader({ outputPayloadToHeader = '' }: JWTRule): string {
  return outputPayloadToHeader.toLowerCase();
}

function claimHeaders({ outputClaimToHeaders = [] }: JWTRule): string[] {
  return outputClaimToHeaders.map(({ header }) => header.toLowerCase());
}
