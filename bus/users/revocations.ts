// Users that were put out, as nats-server's own configuration keeps them: it lets none of them in from its first moment, whoever
// starts it.
import { type Account, decode } from '@nats-io/jwt';
import type { Revocations } from './accounts.ts';

/** Nobody's JWT lives longer, nor does what is stored of a revocation. */
const KEPT_S = 48 * 3_600;

/** What a configuration says of an account; nothing when there is none yet, or none of this version. */
export function revocationsIn(conf: string | null, account: string): Revocations {
  try {
    const { resolver_preload } = JSON.parse(conf ?? '') as { resolver_preload: Record<string, string> };
    return decode<Account>(resolver_preload[account]).nats.revocations ?? {};
  } catch {
    return {};
  }
}

/** All of both, but for what nobody can come with any more. `now`: seconds of the epoch. */
export function joinRevocations(a: Revocations, b: Revocations, now = Date.now() / 1_000): Revocations {
  const joined: Record<string, number> = {};
  for (const [key, second] of [...Object.entries(a), ...Object.entries(b)]) {
    if (second > now - KEPT_S) joined[key] = Math.max(second, joined[key] ?? 0);
  }
  return joined;
}
