// VirtualService `corsPolicy` -> the configuration of the cors filter for one route. layout.ts draws its bytes.

import { parseDuration } from '../../config/duration.ts';
import { compileRegex, type Pattern } from '../../config/regex.ts';
import type { CorsPolicy } from '../../config/schemas/http-actions.ts';
import type { StringMatch } from '../../config/schemas/string-match.ts';
import type { Builtin } from '../builtin.ts';
import { type Configured, configured } from '../configured.ts';
import { list, text, u8, u16 } from '../encoding.ts';
import { matchesPattern } from '../foreign-pattern.ts';
import {
  CREDENTIALS,
  IGNORE_UNMATCHED,
  ORIGIN_ANY,
  ORIGIN_EXACT,
  ORIGIN_PATTERN,
  ORIGIN_PREFIX,
  VERSION,
} from './layout.ts';

/** An origin that no browser sends: what matches it is meant to match all. */
const ANY = '*';

export const cors = {
  standing: {
    scope: 'route',
    configure: ({ corsPolicy }) => (corsPolicy === undefined ? null : corsConfig(corsPolicy)),
  },
  foreign: () => ({ weft_matches: matchesPattern }),
} satisfies Builtin;

export function corsConfig(policy: CorsPolicy): Configured {
  const patterns: Pattern[] = [];
  const origins: StringMatch[] = [
    ...(policy.allowOrigins ?? []),
    ...(policy.allowOrigin ?? []).map((exact) => ({ exact })),
  ];
  const bytes = Buffer.concat([
    u8(VERSION),
    u8(
      (policy.allowCredentials === true ? CREDENTIALS : 0) |
        (policy.unmatchedPreflights === 'IGNORE' ? IGNORE_UNMATCHED : 0),
    ),
    list(origins, (origin) => encodeOrigin(origin, patterns)),
    text((policy.allowMethods ?? []).join(',')),
    text((policy.allowHeaders ?? []).join(',')),
    text((policy.exposeHeaders ?? []).join(',')),
    text(policy.maxAge === undefined ? '' : String(Math.floor(parseDuration(policy.maxAge) / 1000))),
  ]);
  return configured('cors', bytes, patterns);
}

function encodeOrigin({ exact, prefix, regex }: StringMatch, patterns: Pattern[]): Buffer {
  if (regex !== undefined) {
    const pattern = compileRegex(regex);
    if (pattern.matches(ANY)) return any();
    patterns.push(pattern);
    return Buffer.concat([u8(ORIGIN_PATTERN), text(Buffer.concat([u16(patterns.length - 1), Buffer.from(regex)]))]);
  }
  if (exact !== undefined) return exact === ANY ? any() : Buffer.concat([u8(ORIGIN_EXACT), text(exact)]);
  const start = prefix ?? '';
  return ANY.startsWith(start) ? any() : Buffer.concat([u8(ORIGIN_PREFIX), text(start)]);
}

function any(): Buffer {
  return Buffer.concat([u8(ORIGIN_ANY), text('')]);
}
