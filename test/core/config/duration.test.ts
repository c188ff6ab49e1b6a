import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationFault, MAX_DURATION_MS, parseDuration } from '../../../core/config/duration.ts';

test('durations are milliseconds', () => {
  for (const [text, ms] of [
    ['5s', 5000],
    ['0.5s', 500],
    ['100ms', 100],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['1m0.25s', 60_250],
    ['30m1h', 5_400_000],
    ['5us', 0.005],
    ['5µs', 0.005],
    ['5μs', 0.005],
    ['1ms500us', 1.5],
    ['7ns', 0.000007],
    ['0s', 0],
    ['0', 0],
    ['87600h', MAX_DURATION_MS],
  ] as const) {
    assert.equal(parseDuration(text), ms, text);
  }
  for (const text of [
    '',
    '5',
    's',
    '-5s',
    '+5s',
    '5 s',
    ' 5s',
    '5s\n',
    '5S',
    '1e3s',
    '1d',
    '1,5s',
    '1.2.3s',
    '5sm',
    '٥s',
    `${'1s'.repeat(40)}`,
    '9999999999h',
    '87600h1s',
    'NaN',
    '.5s',
    '5.s',
  ]) {
    assert.ok(Number.isNaN(parseDuration(text)), text);
  }
});

test('a fraction is exact to the nanosecond, and what is finer is cut off', () => {
  assert.equal(parseDuration('1.005s'), 1005);
  assert.equal(parseDuration('4.35s'), 4350);
  assert.equal(parseDuration('0.1s') + parseDuration('0.2s'), parseDuration('0.3s'));
  assert.equal(parseDuration('1.0000000019s'), 1000.000001);
});

test('a caller’s limits are told in their largest whole unit, and belong to what is allowed', () => {
  assert.equal(durationFault('1m', 60_000, 3_600_000), null);
  assert.equal(durationFault('1h', 60_000, 3_600_000), null);
  assert.equal(durationFault('59.999s', 60_000, 3_600_000), 'is too short: at least 1m');
  assert.equal(durationFault('1h1ns', 60_000, 90_000), 'is too long: at most 90s');
  assert.equal(durationFault('999us', 1, 1500), 'is too short: at least 1ms');
  assert.equal(durationFault('25h', 0, 86_400_000), 'is too long: at most 24h');
  assert.equal(durationFault('1600ms', 0, 1500), 'is too long: at most 1500ms');
  assert.equal(durationFault('soon', 0, 1500), 'is no duration: write 5s, 100ms or 1h30m');
});
