// What one request says of its own attempts and time-outs: the x-envoy-* fields that Envoy's router consumes. They are read
// after the route has written its own, and never reach the upstream. A gateway has dropped those of its callers by then.

import { FieldName, type Head } from '../../http/head.ts';
import { conditionsOf, RETRIABLE_HEADERS, statusesOf } from './conditions.ts';
import { ASKED_REPLAY_BYTES, perTryWithin, type RetryPolicy } from './policy.ts';

const MAX_RETRIES = new FieldName('x-envoy-max-retries');
const RETRY_ON = new FieldName('x-envoy-retry-on');
const RETRY_GRPC_ON = new FieldName('x-envoy-retry-grpc-on');
const STATUS_CODES = new FieldName('x-envoy-retriable-status-codes');
const HEADER_NAMES = new FieldName('x-envoy-retriable-header-names');
const TIMEOUT = new FieldName('x-envoy-upstream-rq-timeout-ms');
const PER_TRY_TIMEOUT = new FieldName('x-envoy-upstream-rq-per-try-timeout-ms');
const CONSUMED: readonly FieldName[] = [
  MAX_RETRIES,
  RETRY_ON,
  RETRY_GRPC_ON,
  STATUS_CODES,
  HEADER_NAMES,
  TIMEOUT,
  PER_TRY_TIMEOUT,
  // Envoy's hedging and its other answer to a time-out, which are not done here.
  new FieldName('x-envoy-hedge-on-per-try-timeout'),
  new FieldName('x-envoy-upstream-rq-timeout-alt-response'),
];
const START = 'x-envoy-';
/** 'x-envoy-retry-on' is the shortest of them. */
const SHORTEST = 16;
const MAX_NAMES = 32;

export interface Overrides {
  readonly policy: RetryPolicy;
  /** The route's; 0: none. */
  readonly timeoutMs: number;
}

/** What the route says, unless the request says otherwise. Removes from the head what it reads. */
export function takeOverrides(head: Head, policy: RetryPolicy, timeoutMs: number): Overrides | null {
  if (!mayOverride(head)) return null;
  const conditions = conditionsOf(`${head.joined(RETRY_ON) ?? ''},${head.joined(RETRY_GRPC_ON) ?? ''}`);
  const names = (head.joined(HEADER_NAMES) ?? '').split(',', MAX_NAMES).map((name) => name.trim());
  const headers = names.filter((name) => name !== '').map((name) => new FieldName(name));
  const statuses = statusesOf(head.joined(STATUS_CODES) ?? '');
  const timeout = numberOf(head.get(TIMEOUT)) ?? timeoutMs;
  const perTry = numberOf(head.get(PER_TRY_TIMEOUT)) ?? policy.perTryTimeoutMs;
  const always = policy.always | conditions;
  // Without a policy of the route, asking for retries means one, as in Envoy.
  const allowed = policy.attempts === 0 && conditions !== 0 ? 1 : policy.attempts;
  const given = always === 0 ? undefined : numberOf(head.get(MAX_RETRIES));
  for (const name of CONSUMED) head.remove(name);
  return {
    timeoutMs: timeout,
    policy: {
      ...policy,
      attempts: given ?? allowed,
      always,
      idempotent: policy.idempotent | conditions,
      statuses: [...policy.statuses, ...statuses],
      headers: (always & RETRIABLE_HEADERS) === 0 ? policy.headers : [...policy.headers, ...headers],
      perTryTimeoutMs: perTryWithin(perTry, timeout),
      replayBytes: conditions === 0 ? policy.replayBytes : ASKED_REPLAY_BYTES,
    },
  };
}

/** Milliseconds or a count; undefined when it is no number. */
function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** One look over the names, for the many requests that say nothing: x-envoy-{m,r,h,u}... */
function mayOverride(head: Head): boolean {
  const { spans, bytes, added } = head;
  for (let at = 0; at < spans.length; at += 4) {
    const start = spans[at];
    if (spans[at + 1] < SHORTEST || start < 0 || (bytes[start] | 32) !== 0x78) continue;
    if (consumable(bytes[start + START.length]) && bytes.latin1Slice(start, start + 8).toLowerCase() === START) {
      return true;
    }
  }
  for (let i = 0; i < added.length; i += 2) {
    const name = added[i];
    if (name.length < SHORTEST || (name.charCodeAt(0) | 32) !== 0x78) continue;
    if (consumable(name.charCodeAt(START.length)) && name.slice(0, 8).toLowerCase() === START) return true;
  }
  return false;
}

/** The letters m, r, h and u, of either case. */
function consumable(code: number): boolean {
  const letter = code | 32;
  return letter === 0x6d || letter === 0x72 || letter === 0x68 || letter === 0x75;
}
