import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONNECT_FAILURE,
  FIVE_XX,
  GRPC_INTERNAL,
  RETRIABLE_HEADERS,
  RETRIABLE_STATUS_CODES,
} from '../../../../core/builtins/retry/conditions.ts';
import { takeOverrides } from '../../../../core/builtins/retry/overrides.ts';
import { DEFAULT_RETRIES, retryPolicy } from '../../../../core/builtins/retry/policy.ts';
import { FieldName, Head } from '../../../../core/http/head.ts';

/** A head as the codec leaves it, with these lines received. */
function received(...lines: string[]): Head {
  const spans: number[] = [];
  let at = 0;
  for (const line of lines) {
    const colon = line.indexOf(':');
    spans.push(at, colon, at + colon + 2, line.length - colon - 2);
    at += line.length + 2;
  }
  const head = new Head(Buffer.from(lines.join('\r\n'), 'latin1'), spans);
  head.method = 'POST';
  return head;
}

function names(head: Head): string[] {
  return Array.from({ length: head.size }, (_, i) => head.nameAt(i)).filter((name) => name !== '');
}

test('a request that says nothing of its attempts has the policy of its route', () => {
  const head = received('Accept: */*', 'X-Envoy-Peer-Metadata-Id: a', 'x-envoy-original-path: /');
  assert.equal(takeOverrides(head, DEFAULT_RETRIES, 0), null);
  assert.equal(names(head).length, 3);
});

test('fields of the request go before the route, and none of them is left', () => {
  const head = received(
    'X-Envoy-Max-Retries: 7',
    'x-envoy-retry-on: 5xx,nonsense, retriable-status-codes',
    'x-envoy-retry-grpc-on: internal',
    'x-envoy-retriable-status-codes: 429, 404,x',
    'x-envoy-upstream-rq-timeout-ms: 1500',
    'x-envoy-upstream-rq-per-try-timeout-ms: 200',
    'x-envoy-hedge-on-per-try-timeout: true',
    'accept: */*',
  );
  const { policy, timeoutMs } = takeOverrides(head, DEFAULT_RETRIES, 9000)!;
  assert.deepEqual([policy.attempts, timeoutMs, policy.perTryTimeoutMs], [7, 1500, 200]);
  const asked = FIVE_XX | RETRIABLE_STATUS_CODES | GRPC_INTERNAL;
  assert.equal(policy.always, DEFAULT_RETRIES.always | asked);
  assert.equal(policy.idempotent, DEFAULT_RETRIES.idempotent | asked);
  assert.deepEqual(policy.statuses, [429, 404]);
  assert.deepEqual(names(head), ['accept']);
});

test('fields that a route or a filter wrote count, too', () => {
  const head = received('accept: */*');
  head.set(new FieldName('x-envoy-retry-on'), 'connect-failure');
  const { policy } = takeOverrides(head, retryPolicy({ attempts: 0 }, 0), 0)!;
  // Asked for without a policy of the route: one, as in Envoy.
  assert.deepEqual([policy.attempts, policy.always], [1, CONNECT_FAILURE]);
  assert.deepEqual(names(head), ['accept']);
});

test('a number alone does not turn on what the route has turned off', () => {
  const head = received('x-envoy-max-retries: 3');
  const { policy } = takeOverrides(head, retryPolicy({ attempts: 0 }, 0), 0)!;
  assert.deepEqual([policy.attempts, policy.always, policy.idempotent], [0, 0, 0]);
});

test('what is no number is as if it were not there', () => {
  const head = received('x-envoy-max-retries: -1', 'x-envoy-upstream-rq-timeout-ms: soon');
  const { policy, timeoutMs } = takeOverrides(head, DEFAULT_RETRIES, 9000)!;
  assert.deepEqual([policy.attempts, timeoutMs], [2, 9000]);
});

test('names of headers that make an answer retriable count where retriable-headers is asked for', () => {
  const lines = ['x-envoy-retriable-header-names: x-busy, x-again'];
  assert.deepEqual(takeOverrides(received(...lines), DEFAULT_RETRIES, 0)!.policy.headers, []);
  const { policy } = takeOverrides(received(...lines, 'x-envoy-retry-on: retriable-headers'), DEFAULT_RETRIES, 0)!;
  assert.ok((policy.always & RETRIABLE_HEADERS) !== 0);
  assert.deepEqual(
    policy.headers.map(({ lower }) => lower),
    ['x-busy', 'x-again'],
  );
});
