import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONNECT_FAILURE,
  FIVE_XX,
  GRPC_CANCELLED,
  GRPC_UNAVAILABLE,
  REFUSED_STREAM,
  RESET,
  RESET_BEFORE_REQUEST,
  RETRIABLE_STATUS_CODES,
  STALE_CONNECTION,
} from '../../../../core/builtins/retry/conditions.ts';
import { backoff, DEFAULT_RETRIES, INBOUND_RETRIES, retryPolicy } from '../../../../core/builtins/retry/policy.ts';

const SAFE = CONNECT_FAILURE | REFUSED_STREAM | RESET_BEFORE_REQUEST;

test('without a rule there are two further attempts, and what an upstream may have read counts for idempotent methods only', () => {
  assert.equal(retryPolicy(undefined, 0), DEFAULT_RETRIES);
  assert.equal(DEFAULT_RETRIES.attempts, 2);
  assert.equal(DEFAULT_RETRIES.always, SAFE);
  assert.equal(DEFAULT_RETRIES.idempotent, SAFE | GRPC_UNAVAILABLE | GRPC_CANCELLED | STALE_CONNECTION);
});

test('a rule that gives a number only keeps the conditions of the default', () => {
  const { attempts, always, idempotent } = retryPolicy({ attempts: 5 }, 0);
  assert.deepEqual([attempts, always, idempotent], [5, DEFAULT_RETRIES.always, DEFAULT_RETRIES.idempotent]);
});

test('conditions that a rule names hold for every method, and plain statuses are retriable-status-codes', () => {
  const policy = retryPolicy({ attempts: 1, retryOn: ' 5xx , reset,503,429 ' }, 0);
  assert.equal(policy.always, FIVE_XX | RESET | RETRIABLE_STATUS_CODES);
  assert.equal(policy.idempotent, policy.always | STALE_CONNECTION);
  assert.deepEqual(policy.statuses, [503, 429]);
  assert.equal(policy.replayBytes, 1 << 20);
});

test('no attempts is no retry, not even in place of a stale connection', () => {
  for (const retries of [{ attempts: 0 }, {}]) {
    const { attempts, always, idempotent } = retryPolicy(retries, 0);
    assert.deepEqual([attempts, always, idempotent], [0, 0, 0]);
  }
});

test('one try has no time-out of its own when the one of the route comes first', () => {
  const perTry = (timeoutMs: number): number =>
    retryPolicy({ attempts: 1, perTryTimeout: '2s' }, timeoutMs).perTryTimeoutMs;
  assert.deepEqual([perTry(0), perTry(3000), perTry(2000), perTry(1000)], [2000, 2000, 0, 0]);
});

test('the application of a proxy gets again only what it cannot have seen', () => {
  assert.equal(INBOUND_RETRIES.always, RESET_BEFORE_REQUEST);
});

test('pauses double from the base up to ten times of it, each a random part', () => {
  const longest = [1, 2, 3, 4, 5, 9, 99].map((retry) => backoff(DEFAULT_RETRIES, retry, () => 1));
  assert.deepEqual(longest, [25, 50, 100, 200, 250, 250, 250]);
  assert.equal(
    backoff(DEFAULT_RETRIES, 3, () => 0),
    0,
  );
  const asked = retryPolicy({ attempts: 3, backoff: '1s' }, 0);
  assert.equal(
    backoff(asked, 2, () => 0.5),
    1000,
  );
});

test('a policy is frozen', () => {
  assert.ok(Object.isFrozen(retryPolicy({ attempts: 1, retryOn: '5xx' }, 0)));
});
