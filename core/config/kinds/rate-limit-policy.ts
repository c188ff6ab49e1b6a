// RateLimitPolicy: how many requests the selected workloads take, counted in total or apart for each value of a key.

import { headerName, nonEmpty, positiveDuration, texts } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, boolean, integer, notEnforced, object, oneOf, optional, type Static } from '../schema.ts';
import { MatchLabels } from '../schemas/selectors.ts';
import { PathMatch } from '../schemas/string-match.ts';

const count = integer(1, 4294967295);

/** One part of what requests are counted by. */
const Key = object(
  {
    header: optional(headerName),
    /** `ip` is the other end of the connection; `remoteIp` whom a caller of the mesh says that it calls for. */
    source: optional(oneOf('principal', 'namespace', 'serviceAccount', 'ip', 'remoteIp')),
    /** A claim of the verified token; `a][b` is b in a, as in request.auth.claims[a][b]. */
    claim: optional(nonEmpty),
    /** Without its query. */
    path: optional(boolean),
    method: optional(boolean),
  },
  { exactlyOne: [['header', 'source', 'claim', 'path', 'method']] },
);

export const RateLimit = object({
  name: nonEmpty,
  requests: count,
  per: positiveDuration,
  /** Requests that may come at once. Left out: `requests`. */
  burst: optional(count),
  /** Left out: all requests count together. */
  by: optional(array(Key, 1)),
  match: optional(object({ methods: optional(texts), path: optional(PathMatch) })),
  /** Counts what it would refuse, and lets it pass. */
  shadow: optional(boolean),
});
export type RateLimit = Static<typeof RateLimit>;

export const RateLimitPolicySpec = object(
  {
    selector: optional(MatchLabels),
    limits: array(RateLimit, 1),
    /** `proxy`: each proxy counts for itself. `mesh`: all proxies share the count. Left out: proxy. */
    scope: notEnforced(optional(oneOf('proxy', 'mesh')), (value) =>
      value === 'mesh' ? 'counting together with other proxies (each counts for itself)' : null,
    ),
    /** x-ratelimit-limit, -remaining and -reset: DRAFT_VERSION_03 on every answer, OFF on none. Left out: on refusals. */
    enableXRatelimitHeaders: optional(oneOf('OFF', 'DRAFT_VERSION_03')),
    /** What happens when the shared count cannot be reached. Left out: true. */
    failOpen: optional(boolean),
  },
  {
    check(spec, report) {
      const names = new Set<string>();
      spec.limits.forEach(({ name }, i) => {
        if (names.has(name))
          report.error(['limits', i, 'name'], 'duplicate', `the limit ${JSON.stringify(name)} is defined twice`);
        names.add(name);
      });
    },
  },
);
export type RateLimitPolicySpec = Static<typeof RateLimitPolicySpec>;

export const rateLimitPolicy = defineKind({
  name: 'RateLimitPolicy',
  shortNames: ['rlp'],
  group: 'weft.dev',
  versions: ['v1'],
  scope: 'namespace',
  spec: RateLimitPolicySpec,
});
