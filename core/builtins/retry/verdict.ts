// Whether an attempt that failed, or whose answer is a failure, is followed by another. Nothing is sent twice that may have
// reached the upstream, unless its method may be repeated or somebody asked for exactly that.

import type { Cluster } from '../../cluster/cluster.ts';
import { FAILURES, type FailureCode } from '../../errors.ts';
import { FieldName, type Head } from '../../http/head.ts';
import {
  ANY_GRPC,
  CONNECT_FAILURE,
  ENVOY_RATELIMITED,
  FIVE_XX,
  GATEWAY_ERROR,
  grpcCondition,
  ON_ANSWER,
  REFUSED_STREAM,
  RESET,
  RESET_BEFORE_REQUEST,
  RETRIABLE_4XX,
  RETRIABLE_HEADERS,
  RETRIABLE_STATUS_CODES,
  STALE_CONNECTION,
} from './conditions.ts';
import type { RetryPolicy } from './policy.ts';

/** An upstream that held a request for longer has read it: it may be what ended it, and would end the next one, too. */
const RACE_MS = 500;
/** Envoy counts a reset as the 5xx that it leads to. */
const ANY_RESET = RESET | FIVE_XX | GATEWAY_ERROR;

const RATE_LIMITED = new FieldName('x-envoy-ratelimited');
const GRPC_STATUS = new FieldName('grpc-status');

/**
 * Whether another attempt follows. 'at-once': in place of one that met a closed connection; 'uncounted' and 'counted': after
 * a pause, without and within the cluster's retry budget. 'limit' and 'overflow': none, since those that the policy allows
 * are used up, or the budget is.
 */
export type RetryVerdict = 'no' | 'at-once' | 'uncounted' | 'counted' | 'limit' | 'overflow';

/** What decides over an attempt's successor. */
export interface AttemptFacts {
  readonly policy: RetryPolicy;
  /** Bits of conditions.ts on which another attempt follows. */
  readonly conditions: number;
  readonly cluster: Pick<Cluster, 'policy' | 'retryFits'>;
  /** It counts against the budget itself. */
  readonly counted: boolean;
  /** The whole request, as far as it has come, can be sent again. */
  readonly repeatable: boolean;
  /** False: it got a connection, and no byte of the request was put on it. */
  readonly sent: boolean;
  /** Its connection had carried a request before, and nothing of an answer came. */
  readonly mayBeRace: boolean;
  /** This one counted. */
  readonly attempts: number;
  /** Milliseconds since anything of the exchange last moved. */
  readonly silentMs: number;
}

/** The attempt ended without an answer. */
export function afterFailure(attempt: AttemptFacts, reason: FailureCode): RetryVerdict {
  const { retryable } = FAILURES[reason];
  if (retryable === 'never') return 'no';
  const unsent = retryable === 'unsent' || !attempt.sent;
  let met = ANY_RESET;
  if (unsent) met |= RESET_BEFORE_REQUEST;
  if (reason === 'refused_stream') met |= REFUSED_STREAM;
  else if (retryable === 'unsent') met |= CONNECT_FAILURE;
  if ((met & attempt.conditions) !== 0) return withinLimits(attempt, unsent);
  // A reused connection may have been closed by the upstream just before the request reached it.
  const raced = reason === 'reset_before_response' && attempt.mayBeRace;
  if (!raced || (attempt.conditions & STALE_CONNECTION) === 0) return 'no';
  return attempt.attempts === 1 && attempt.silentMs <= RACE_MS && attempt.repeatable ? 'at-once' : 'no';
}

/** The head of an answer has come. `end`: it has no body. */
export function afterAnswer(attempt: AttemptFacts, head: Head, end: boolean): RetryVerdict {
  const asked = attempt.conditions & ON_ANSWER;
  // The status of a gRPC call is in the head only when the answer is nothing but that.
  if ((asked & ~ANY_GRPC) === 0 && !end) return 'no';
  return answerMeets(head, end, asked, attempt.policy) ? withinLimits(attempt, false) : 'no';
}

function answerMeets(head: Head, end: boolean, asked: number, policy: RetryPolicy): boolean {
  const { status } = head;
  if (head.has(RATE_LIMITED)) return (asked & ENVOY_RATELIMITED) !== 0;
  let met = 0;
  if (status >= 500) met |= FIVE_XX;
  if (status >= 502 && status <= 504) met |= GATEWAY_ERROR;
  if (status === 409) met |= RETRIABLE_4XX;
  if (policy.statuses.includes(status)) met |= RETRIABLE_STATUS_CODES;
  if (policy.headers.some((name) => head.has(name))) met |= RETRIABLE_HEADERS;
  if (end && (asked & ANY_GRPC) !== 0) met |= grpcCondition(head.get(GRPC_STATUS) ?? '');
  return (met & asked) !== 0;
}

/** The policy asks for another attempt: there is none after the last, above the budget, or of a body that was not kept. */
function withinLimits(attempt: AttemptFacts, unsent: boolean): RetryVerdict {
  const { cluster } = attempt;
  if (attempt.attempts > attempt.policy.attempts) return 'limit';
  if (!attempt.repeatable) return 'no';
  // What nobody has got adds no load: the default budget lets it pass.
  if (unsent && !cluster.policy.retryBudget.everyRetry) return 'uncounted';
  return cluster.retryFits(attempt.counted ? 1 : 0) ? 'counted' : 'overflow';
}
