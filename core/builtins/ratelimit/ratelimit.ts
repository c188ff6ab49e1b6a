// RateLimitPolicy -> the configuration of the ratelimit filter: which limits apply to this workload, to which requests, and by
// what each counts. layout.ts draws its bytes.

import { createHash } from 'node:crypto';
import { appliesTo } from '../../config/attachment.ts';
import { parseDuration } from '../../config/duration.ts';
import type { RateLimit, RateLimitPolicySpec } from '../../config/kinds/rate-limit-policy.ts';
import { compileRegex, type Pattern } from '../../config/regex.ts';
import type { Resource } from '../../config/resource.ts';
import { normalRule } from '../../http/path.ts';
import type { Node } from '../../workload.ts';
import type { Builtin, WorkloadPolicy } from '../builtin.ts';
import { type Configured, configured } from '../configured.ts';
import { list, sized, text, u8, u16 } from '../encoding.ts';
import { matchesPattern } from '../foreign-pattern.ts';
import {
  ATTRIBUTE_CLAIM,
  ATTRIBUTE_HEADER,
  ATTRIBUTE_METHOD,
  ATTRIBUTE_NAMESPACE,
  ATTRIBUTE_PATH,
  ATTRIBUTE_PRINCIPAL,
  ATTRIBUTE_REMOTE_IP,
  ATTRIBUTE_SERVICE_ACCOUNT,
  ATTRIBUTE_SOURCE_IP,
} from '../rbac/layout.ts';
import { type LimitSpec, limitFunctions } from './foreign-limit.ts';
import {
  PATH_ANY,
  PATH_EXACT,
  PATH_PATTERN,
  PATH_PREFIX,
  TOLD_EVERYBODY,
  TOLD_NOBODY,
  TOLD_REFUSED,
  VERSION,
} from './layout.ts';
import { createBuckets, releaseDeadBuckets, TokenBuckets } from './shared-buckets.ts';

const SOURCES = {
  principal: ATTRIBUTE_PRINCIPAL,
  namespace: ATTRIBUTE_NAMESPACE,
  serviceAccount: ATTRIBUTE_SERVICE_ACCOUNT,
  ip: ATTRIBUTE_SOURCE_IP,
  remoteIp: ATTRIBUTE_REMOTE_IP,
} as const;

type Policy = Resource<RateLimitPolicySpec>;
type Key = NonNullable<RateLimit['by']>[number];

const standing = {
  scope: 'workload',
  kinds: ['RateLimitPolicy'],
  configure: (policies, node) => rateLimitConfig(policies('RateLimitPolicy'), node),
} satisfies WorkloadPolicy;

export const ratelimit = {
  standing,
  foreign: ({ memory, shard }) => ({
    ...limitFunctions(new TokenBuckets(memory, shard)),
    weft_matches: matchesPattern,
  }),
  shared: { create: createBuckets, release: releaseDeadBuckets },
} satisfies Builtin;

/** The filter's configuration at this workload; null when no policy applies. */
export function rateLimitConfig(policies: readonly Policy[], node: Node): Configured | null {
  const applying = policies.filter((policy) => appliesTo(policy, node));
  const limits = applying.flatMap((policy) => policy.spec.limits.map((limit) => ({ policy, limit })));
  if (limits.length === 0) return null;
  const json = Buffer.from(JSON.stringify(limits.map(({ policy, limit }) => forHost(policy, limit))));
  const patterns: Pattern[] = [];
  const who = told(applying);
  const bytes = Buffer.concat([
    u8(VERSION),
    u8(node.role === 'gateway' ? 1 : 0),
    u8(who),
    sized(json),
    list(limits, ({ policy, limit }) => encode(policy, limit, patterns)),
  ]);
  return configured(who === TOLD_EVERYBODY ? 'ratelimit-answers' : 'ratelimit', bytes, patterns);
}

/** One policy that wants every answer to tell is enough; nobody is told when all say so. */
function told(policies: readonly Policy[]): number {
  const wishes = policies.map(({ spec }) => spec.enableXRatelimitHeaders);
  if (wishes.includes('DRAFT_VERSION_03')) return TOLD_EVERYBODY;
  return wishes.every((wish) => wish === 'OFF') ? TOLD_NOBODY : TOLD_REFUSED;
}

function forHost({ metadata, spec }: Policy, limit: RateLimit): LimitSpec {
  return {
    policy: `${metadata.namespace}/${metadata.name}`,
    limit: limit.name,
    requests: limit.requests,
    periodMs: parseDuration(limit.per),
    burst: limit.burst ?? limit.requests,
    shadow: limit.shadow === true,
    failOpen: spec.failOpen !== false,
  };
}

function encode({ metadata }: Policy, limit: RateLimit, patterns: Pattern[]): Buffer {
  return sized(
    identity(`${metadata.namespace}/${metadata.name}/${limit.name}`),
    list(limit.match?.methods ?? [], text),
    path(limit.match?.path, patterns),
    list(limit.by ?? [], key),
  );
}

/** Buckets belong to a limit by its name: a change of its numbers does not refill them. */
function identity(name: string): Buffer {
  return createHash('sha256').update(name).digest().subarray(0, 8);
}

function path(match: NonNullable<RateLimit['match']>['path'], patterns: Pattern[]): Buffer {
  if (match?.exact !== undefined) return Buffer.concat([u8(PATH_EXACT), text(normalRule(match.exact, true))]);
  if (match?.prefix !== undefined) return Buffer.concat([u8(PATH_PREFIX), text(normalRule(match.prefix, false))]);
  if (match?.regex === undefined) return Buffer.concat([u8(PATH_ANY), text('')]);
  patterns.push(compileRegex(match.regex));
  // With its text: filters of equal configurations are one.
  return Buffer.concat([u8(PATH_PATTERN), text(Buffer.concat([u16(patterns.length - 1), Buffer.from(match.regex)]))]);
}

function key({ header, source, claim, path, method }: Key): Buffer {
  if (header !== undefined) return Buffer.concat([u8(ATTRIBUTE_HEADER), text(header.toLowerCase())]);
  if (claim !== undefined) return Buffer.concat([u8(ATTRIBUTE_CLAIM), text(claim.replaceAll('][', '\0'))]);
  if (source !== undefined) return Buffer.concat([u8(SOURCES[source]), text('')]);
  // What a key does not count by is the same for all requests.
  const attribute = path === true ? ATTRIBUTE_PATH : method === true ? ATTRIBUTE_METHOD : 0;
  return Buffer.concat([u8(attribute), text('')]);
}
