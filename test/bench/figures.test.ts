import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf, latencyOf, median, type Round, ratiosOf } from '../../bench/figures.ts';

function round(cpuMicrosPerRequest: number, errors = 0): Round {
  return { cpuMicrosPerRequest, requestsPerSecond: 1000, rssMiB: 80, errors };
}

test('a median is the middle value, or the mean of the two in the middle', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test('figures are medians over the rounds, but every error counts', () => {
  const figures = figuresOf('weft', [round(20, 1), round(90, 0), round(22, 3)]);
  assert.equal(figures.cpuMicrosPerRequest, 22);
  assert.equal(figures.errors, 4);
});

test('a ratio compares two peers within each round, so that a slow round of both changes nothing', () => {
  const nginx = figuresOf('nginx', [round(10), round(30), round(10)]);
  const weft = figuresOf('weft', [round(15), round(45), round(16)]);
  assert.deepEqual(ratiosOf([nginx, weft], ['nginx', 'reply-from']), [
    { peer: 'weft', to: 'nginx', median: 1.5, min: 1.5, max: 1.6 },
  ]);
});

test('latencies are those of all requests, the slowest included', () => {
  const micros = Array.from({ length: 1000 }, (_, i) => (1000 - i) * 1000);
  const { p50Ms, p90Ms, p99Ms, p999Ms } = latencyOf(100, micros, 50);
  assert.deepEqual([p50Ms, p90Ms, p99Ms, p999Ms], [501, 901, 991, 1000]);
});
