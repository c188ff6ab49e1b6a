// The router's end of a request: what its route does to it, to which cluster it goes, and whether a failed attempt is
// followed by another. Nothing is sent twice that may have reached the upstream, unless its method is idempotent.

import { Attempt } from './attempt.ts';
import { FAILURES, type FailureCode } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { FieldName, type Head } from './head.ts';
import { redirectReply } from './router/redirect.ts';
import type { FieldChanges, ForwardAction, Target } from './router/route.ts';

/** Envoy's default back-off: 25 ms, doubled by each attempt, fully jittered. */
const BACKOFF_MS = 25;

/** An upstream that held a request for longer has read it: it may be what ended it, and would end the next one, too. */
const RACE_MS = 500;

const ORIGINAL_PATH = new FieldName('x-envoy-original-path');

/** The request has passed its filters. `end`: it has no body. */
export function forwardAttempt(exchange: Exchange, end: boolean): void {
  const route = exchange.route!;
  const { action } = route;
  if (action.type === 'direct') {
    exchange.reply({
      status: action.status,
      details: 'direct_response',
      body: action.body,
      fields: [],
      grpcStatus: -1,
    });
    return;
  }
  if (action.type === 'redirect') {
    exchange.reply(redirectReply(exchange, action));
    return;
  }
  const target = chooseTarget(action, exchange);
  exchange.target = target;
  if (target.cluster === null) {
    exchange.fail('no_cluster');
    return;
  }
  const { requestHead: head } = exchange;
  if (route.requestChanges !== null) applyChanges(head, route.requestChanges);
  if (target.requestChanges !== null) applyChanges(head, target.requestChanges);
  if (action.rewrite !== null) rewrite(exchange, action);
  if (action.timeoutMs > 0 && exchange.requestEnded) exchange.startDeadline(action.timeoutMs);
  exchange.attempts = 1;
  const attempt = new Attempt(exchange, target.cluster, end, idempotent(head.method));
  exchange.attempt = attempt;
  attempt.start(null);
}

/** True when another attempt was begun. */
export function mayTryAgain(exchange: Exchange, attempt: Attempt, reason: FailureCode): boolean {
  const action = exchange.route?.action;
  if (action?.type !== 'forward') return false;
  const { retryable } = FAILURES[reason];
  const unsent = retryable === 'unsent' || (retryable === 'idempotent' && attempt.stream?.sent === false);
  // A reused connection may have been closed by the upstream just before the request reached it.
  const raced = attempt.stream?.reused === true && !attempt.stream.answered && exchange.silentMs <= RACE_MS;
  if (unsent) {
    if (exchange.attempts > action.retries) return false;
  } else if (retryable !== 'idempotent' || !raced || attempt.replay === null || exchange.attempts > 1) return false;
  const again = new Attempt(exchange, attempt.cluster, attempt.requestEnded, idempotent(exchange.requestHead.method));
  if (!attempt.moveTo(again)) return false;
  exchange.attempt = again;
  exchange.failedEndpoint = unsent ? attempt.endpoint : null;
  exchange.attempts++;
  if (unsent) {
    const longest = BACKOFF_MS * 2 ** Math.min(exchange.attempts - 2, 4);
    exchange.plane.timers.arm(again, exchange.plane.random() * longest);
  } else again.start(null);
  return true;
}

function chooseTarget(action: ForwardAction, exchange: Exchange): Target {
  const { targets } = action;
  if (targets.length === 1) return targets[0];
  let point = exchange.plane.random() * action.totalWeight;
  for (const target of targets) {
    point -= target.weight;
    if (point < 0) return target;
  }
  return targets[targets.length - 1];
}

function rewrite(exchange: Exchange, action: ForwardAction): void {
  const { requestHead: head } = exchange;
  const { authority, path } = action.rewrite!;
  if (authority !== null) head.newAuthority = authority;
  if (path === null) return;
  const before = head.path;
  const after = path(before, exchange.covered);
  if (after === before) return;
  exchange.originalPath = before;
  head.newPath = after;
  head.put(ORIGINAL_PATH, before);
}

export function applyChanges(head: Head, changes: FieldChanges): void {
  for (const name of changes.remove) head.remove(name);
  for (const [name, value] of changes.set) {
    if (name.lower === 'host' || name.lower === ':authority') head.newAuthority = value;
    else head.set(name, value);
  }
  for (const [name, value] of changes.add) head.add(name, value);
}

export function idempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PUT':
    case 'DELETE':
      return true;
    default:
      return false;
  }
}
