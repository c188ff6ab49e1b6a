// The router's part of an exchange: what the route does to the request and to its answer, which target it takes, and the
// first attempt. Whether a failed one is followed by another is the retry policy's (builtins/retry/verdict.ts).

import { takeOverrides } from '../builtins/retry/overrides.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { httpDate } from '../http/date.ts';
import { FieldName, type Head } from '../http/head.ts';
import { redirectReply } from '../router/redirect.ts';
import type {
  DirectAction,
  FieldChanges,
  ForwardAction,
  RedirectAction,
  Rewrite,
  Route,
  Target,
} from '../router/route.ts';
import { ATTEMPT_COUNT, Attempt } from './attempt.ts';
import type { Exchange } from './exchange.ts';
import type { LocalReply } from './filter.ts';

const DATE = new FieldName('date');
const SERVICE_TIME = new FieldName('x-envoy-upstream-service-time');
const ORIGINAL_PATH = new FieldName('x-envoy-original-path');

/** The answer of a route that sends nothing on. */
export function routeReply({ requestHead, covered }: Exchange, action: RedirectAction | DirectAction): LocalReply {
  if (action.type === 'redirect') return redirectReply(requestHead, covered, action);
  return { status: action.status, details: 'direct_response', body: action.body, fields: [], grpcStatus: -1 };
}

/** What the route and its target do to a request before it leaves. False: what came of it is no path. */
export function changeRequest(
  exchange: Exchange,
  { requestChanges }: Route,
  target: Target,
  action: ForwardAction,
): boolean {
  const { requestHead: head } = exchange;
  if (requestChanges !== null) applyChanges(head, requestChanges);
  if (target.requestChanges !== null) applyChanges(head, target.requestChanges);
  return action.rewrite === null || rewrite(exchange, action.rewrite);
}

/** Begins the first attempt, under the route's time-out and retries or what the request asks for instead. */
export function beginAttempts(exchange: Exchange, action: ForwardAction, cluster: Cluster, end: boolean): void {
  const { requestHead: head } = exchange;
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
  const attempt = new Attempt(exchange, cluster, retry, end);
  exchange.attempt = attempt;
  attempt.start();
}

/** By weight. `random`: [0, 1). */
export function chooseTarget({ targets, totalWeight }: ForwardAction, random: () => number): Target {
  if (targets.length === 1) return targets[0];
  let point = random() * totalWeight;
  for (const target of targets) {
    point -= target.weight;
    if (point < 0) return target;
  }
  return targets[targets.length - 1];
}

/** What a request line may carry: a client must not choose another form through an expression's groups. */
const ORIGIN_FORM = /^\/[\x21-\x7e]*$/;

function rewrite(exchange: Exchange, { authority, path }: Rewrite): boolean {
  const { requestHead: head } = exchange;
  if (authority !== null) head.newAuthority = authority;
  if (path === null) return true;
  const before = head.path;
  const after = path(before, exchange.covered);
  if (after === before) return true;
  if (!ORIGIN_FORM.test(after)) return false;
  exchange.originalPath = before;
  head.newPath = after;
  head.put(ORIGINAL_PATH, before);
  return true;
}

/** What the target and the route do to an upstream's answer before the filters see it, and how long it took. */
export function changeResponse(exchange: Exchange, head: Head): void {
  // RFC 9110 6.6.1: who passes it on says when it came.
  if (!head.has(DATE)) head.add('date', httpDate(exchange.startTime + exchange.responseStartMs));
  changeLocalResponse(exchange, head);
  head.put(SERVICE_TIME, String(exchange.upstreamServiceMs));
}

/** The same for an answer that no upstream gave. */
export function changeLocalResponse({ target, route }: Exchange, head: Head): void {
  if (target !== null && target.responseChanges !== null) applyChanges(head, target.responseChanges);
  if (route !== null && route.responseChanges !== null) applyChanges(head, route.responseChanges);
}

function applyChanges(head: Head, changes: FieldChanges): void {
  for (const name of changes.remove) head.remove(name);
  for (const [name, value] of changes.set) {
    if (name.lower === 'host' || name.lower === ':authority') head.newAuthority = value;
    else head.set(name, value);
  }
  for (const [name, value] of changes.add) head.add(name, value);
}
