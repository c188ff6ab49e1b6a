import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isIdempotent, isSafe } from '../../../core/http/head.ts';

test('methods that may be repeated are those of RFC 9110', () => {
  const methods = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH', 'get', 'REPORT'];
  assert.deepEqual(methods.filter(isIdempotent), ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
});

test('methods that change nothing are those that a connection may work on beside each other', () => {
  const methods = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH', 'get'];
  assert.deepEqual(methods.filter(isSafe), ['GET', 'HEAD', 'OPTIONS']);
});
