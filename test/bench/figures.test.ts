import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf, latencyOf, median, type Round, ratiosOf, slopeOf } from '../../bench/figures.ts';
import { evenness } from '../../bench/measures/load.ts';
import { scalingOf } from '../../bench/measures/scaling.ts';

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

test('scaling is what several threads answer with a core each, by the cost of a request in the same round', () => {
  const single = figuresOf('weft-1-shard', [round(20), round(40), round(20)]);
  const many = figuresOf('weft', [round(20), round(50), round(25)]);
  assert.equal(scalingOf(many, single, 2), 1.6);
});

test('threads that share the work evenly have an evenness of 1, and those that only assist do not count', () => {
  const before = new Map([
    ['10', 1000],
    ['11', 0],
    ['12', 500],
  ]);
  const after = new Map([
    ['10', 5000],
    ['11', 3000],
    ['12', 510],
    ['13', 20],
  ]);
  assert.equal(evenness(before, after, 2), 0.75);
  assert.equal(evenness(after, after, 2), 0);
});

test('a slope is that of the line through the points, whatever single points do', () => {
  const rising = Array.from({ length: 60 }, (_, i) => [i, 100 + i / 2 + (i % 2 === 0 ? 3 : -3)] as const);
  assert.ok(Math.abs(slopeOf(rising) - 0.5) < 0.02, String(slopeOf(rising)));
  assert.equal(slopeOf([[7, 1]]), 0);
});

test('latencies are those of all requests, the slowest included', () => {
  const micros = Array.from({ length: 1000 }, (_, i) => (1000 - i) * 1000);
  const { p50Ms, p90Ms, p99Ms, p999Ms } = latencyOf(100, micros, 50);
  assert.deepEqual([p50Ms, p90Ms, p99Ms, p999Ms], [501, 901, 991, 1000]);
});
