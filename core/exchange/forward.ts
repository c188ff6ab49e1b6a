// What the chosen route does to an exchange: to the request and to its answer, which target it takes, and the
// first attempt. Whether a failed one is followed by another is the retry policy's (builtins/retry/verdict.ts).

import { takeOverrides } from '../builtins/retry/overrides.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { httpDate } from '../http/date.ts';
import { FieldName, type Head } from '../http/head.ts';
import { redirectReply } from '../router/redirect.ts';
import type {
  DirectAction,
  FieldChanges,
  FieldPut,
  ForwardAction,
  PathRewrite,
  RedirectAction,
  Target,
} from '../router/route.ts';
import { ATTEMPT_COUNT, Attempt } from './attempt.ts';
import type { Exchange } from './exchange.ts';
import type { LocalReply } from './filter.ts';
import { callTimeout } from './grpc-timeout.ts';

const DATE = new FieldName('date');
const SERVICE_TIME = new FieldName('x-envoy-upstream-service-time');
const ORIGINAL_PATH = new FieldName('x-envoy-original-path');

/** The answer of a route that sends nothing on. */
export function routeReply({ requestHead, covered }: Exchange, action: RedirectAction | DirectAction): LocalReply {
  if (action.type === 'redirect') return redirectReply(requestHead, covered, action);
  return { status: action.status, details: 'direct_response', body: action.body, fields: [], grpcStatus: -1 };
}

/** What the route and its target do to a request before it leaves. False: what came of it is no path. */
export function changeRequest(exchange: Exchange, target: Target, { rewritePath }: ForwardAction): boolean {
  const { requestHead: head } = exchange;
  if (target.requestChanges !== null) applyChanges(exchange, head, target.requestChanges);
  if (target.authority !== null) head.newAuthority = target.authority;
  return rewritePath === null || rewrite(exchange, rewritePath);
}

/** Begins the first attempt, under the route's time-out and retries or what the request asks for instead. */
export function beginAttempts(exchange: Exchange, action: ForwardAction, cluster: Cluster, end: boolean): void {
  const { requestHead: head } = exchange;
  let { retry, timeoutMs } = action;
  if (exchange.messages !== null) timeoutMs = callTimeout(head, timeoutMs);
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
const ORIGIN_FORM = /^\/[\x21\x22\x24-\x7e]*$/;

function rewrite(exchange: Exchange, path: PathRewrite): boolean {
  const { requestHead: head } = exchange;
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
  head.put(SERVICE_TIME, String(exchange.upstreamServiceMs));
  changeLocalResponse(exchange, head);
}

/** The same for an answer that no upstream gave. */
export function changeLocalResponse(exchange: Exchange, head: Head): void {
  const { target, route } = exchange;
  const changes = target === null ? (route?.responseChanges ?? null) : target.responseChanges;
  if (changes !== null) applyChanges(exchange, head, changes);
}

function applyChanges(exchange: Exchange, head: Head, changes: FieldChanges): void {
  for (const { removed, put, filled } of changes) {
    for (const name of removed) head.remove(name);
    if (filled) {
      fill(exchange, head, put);
      continue;
    }
    for (const { name, written, append, value } of put) {
      if (append) head.add(written, value);
      else head.set(name, value);
    }
  }
}

/** All values are made before the first of them is put. */
function fill(exchange: Exchange, head: Head, put: readonly FieldPut[]): void {
  const values = put.map(({ value, format }) => (format === null ? value : format(exchange)));
  put.forEach(({ name, written, append, format }, i) => {
    const value = values[i];
    if (format !== null && value === '') return;
    if (append) head.add(written, value);
    else head.set(name, value);
  });
}
