// The router's end of a request: what its route does to it, to which cluster it goes, and its first attempt. Whether a
// failed one is followed by another is the retry policy's (retry/).

import { takeOverrides } from '../builtins/retry/overrides.ts';
import { FieldName, type Head } from '../http/head.ts';
import { redirectReply } from '../router/redirect.ts';
import type { FieldChanges, ForwardAction, Target } from '../router/route.ts';
import { ATTEMPT_COUNT, Attempt } from './attempt.ts';
import type { Exchange } from './exchange.ts';

const SERVICE_TIME = new FieldName('x-envoy-upstream-service-time');
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
  let { retry, timeoutMs } = action;
  // A proxy's own application has nothing to be told of attempts: what it hears is what its caller's proxy wrote.
  if (exchange.direction !== 'inbound') {
    const overrides = takeOverrides(head, retry, timeoutMs);
    if (overrides !== null) ({ policy: retry, timeoutMs } = overrides);
    head.put(ATTEMPT_COUNT, '1');
  }
  exchange.timeoutMs = timeoutMs;
  if (timeoutMs > 0 && exchange.requestEnded) exchange.startDeadline(timeoutMs);
  exchange.attempts = 1;
  const attempt = new Attempt(exchange, target.cluster, retry, end);
  exchange.attempt = attempt;
  attempt.start();
}

function chooseTarget(action: ForwardAction, exchange: Exchange): Target {
  const { targets } = action;
  if (targets.length === 1) return targets[0];
  let point = exchange.shard.random() * action.totalWeight;
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

/** An upstream's answer, before the filters see it: what the target and the route do to it, and how long it took. */
export function changeAnswer({ target, route, upstreamServiceMs }: Exchange, head: Head): void {
  if (target !== null && target.responseChanges !== null) applyChanges(head, target.responseChanges);
  if (route !== null && route.responseChanges !== null) applyChanges(head, route.responseChanges);
  head.put(SERVICE_TIME, String(upstreamServiceMs));
}

function applyChanges(head: Head, changes: FieldChanges): void {
  for (const name of changes.remove) head.remove(name);
  for (const [name, value] of changes.set) {
    if (name.lower === 'host' || name.lower === ':authority') head.newAuthority = value;
    else head.set(name, value);
  }
  for (const [name, value] of changes.add) head.add(name, value);
}
