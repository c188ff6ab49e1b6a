// What every balancer keeps to, whatever its way of choosing: run on each by balancer.test.ts.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { BalancerClass } from '../../core/cluster/balancers/balancer.ts';
import { Endpoint } from '../../core/cluster/endpoint.ts';
import { Timers } from '../../core/timers.ts';

/** Picks of one that is judged by how they are spread. */
const PICKS = 12_000;
/** How far from its due an endpoint may be, as a share of it. */
const TOLERANCE = 0.08;

export function balancerContract(name: string, Balancer: BalancerClass): void {
  const made = (endpoints: readonly Endpoint[], weights: readonly number[] | null = null) => {
    const balancer = new Balancer(generator());
    balancer.update(endpoints, weights);
    return balancer;
  };

  suite(`the balancer ${name}`, () => {
    test('has nobody to pick before it knows any endpoint, and when none is left', () => {
      const balancer = new Balancer(generator());
      assert.equal(balancer.pick(null), null);
      balancer.update([], null);
      assert.equal(balancer.pick(null), null);
      balancer.update(endpointsOf(3), [1, 2, 3]);
      assert.notEqual(balancer.pick(null), null);
      balancer.update([], null);
      assert.equal(balancer.pick(null), null);
      assert.equal(balancer.pick(7), null);
    });

    test('always picks an endpoint that is alone, busy or not', () => {
      const [only] = endpointsOf(1);
      for (const weights of [null, [5]]) {
        const balancer = made([only], weights);
        for (let i = 0; i < 20; i++) {
          assert.equal(balancer.pick(i), only);
          only.entered();
        }
      }
    });

    for (const count of [2, 3, 10]) {
      test(`gives ${count} endpoints that are equally busy as many requests each`, () => {
        const endpoints = endpointsOf(count);
        const balancer = made(endpoints);
        assertShares(
          endpoints.map(() => 1),
          counted(endpoints, () => balancer.pick(null)),
        );
      });
    }

    for (const weights of [
      [1, 3],
      [50, 150, 300],
      [7, 1, 1, 11],
      [1, 4_294_967_295 / 3, 4_294_967_295],
    ]) {
      test(`gives endpoints of the weights ${weights.join(', ')} requests by them`, () => {
        const endpoints = endpointsOf(weights.length);
        const balancer = made(endpoints, weights);
        assertShares(
          weights,
          counted(endpoints, () => balancer.pick(null)),
        );
      });

      test(`keeps to the weights ${weights.join(', ')} also of requests that take a while`, () => {
        const endpoints = endpointsOf(weights.length);
        const balancer = made(endpoints, weights);
        const underWay: Endpoint[] = [];
        const picks = counted(endpoints, () => {
          const picked = balancer.pick(null)!;
          picked.entered();
          underWay.push(picked);
          if (underWay.length > 40) underWay.shift()!.left();
          return picked;
        });
        assertShares(weights, picks, 0.15);
      });
    }

    test('spreads requests evenly again once the weights are the same', () => {
      const endpoints = endpointsOf(4);
      const balancer = made(endpoints, [1, 1, 1, 97]);
      for (let i = 0; i < 10; i++) balancer.pick(null);
      balancer.update(endpoints, null);
      assertShares(
        [1, 1, 1, 1],
        counted(endpoints, () => balancer.pick(null)),
      );
    });

    test('picks among those that are there now, and never one that left, however often they change', () => {
      const random = generator();
      const all = endpointsOf(12);
      const balancer = new Balancer(random);
      for (let change = 0; change < 300; change++) {
        const now = all.filter(() => random() < 0.5);
        const weights = random() < 0.5 ? null : now.map(() => 1 + Math.floor(random() * 9));
        balancer.update(now, weights);
        for (let i = 0; i < 20; i++) {
          const picked = balancer.pick(i);
          if (now.length === 0) assert.equal(picked, null);
          else assert.ok(picked !== null && now.includes(picked), `${picked?.key} is not there`);
        }
      }
    });

    test('picks each endpoint of many before long, also one that has just come', () => {
      const endpoints = endpointsOf(50);
      const balancer = made(endpoints.slice(0, 49));
      for (let i = 0; i < 100; i++) balancer.pick(null);
      balancer.update(endpoints, null);
      const picks = counted(endpoints, () => balancer.pick(null), 1500);
      assert.deepEqual(
        endpoints.filter((endpoint) => picks.get(endpoint) === 0),
        [],
      );
    });

    test('chooses the same when chance says the same', () => {
      const endpoints = endpointsOf(5);
      const [one, other] = [made(endpoints), made(endpoints)];
      for (let i = 0; i < 100; i++) assert.equal(one.pick(i), other.pick(i));
    });
  });
}

/** The same numbers in every run: [0, 1). (Mulberry32.) */
export function generator(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function endpointsOf(count: number): Endpoint[] {
  const timers = new Timers(1000);
  timers.stop();
  return Array.from(
    { length: count },
    (_, i) => new Endpoint({ timers, expectedStreams: () => 1, dial: () => () => {} }, `127.0.0.${i + 2}`, 80),
  );
}

/** How often each was picked. */
function counted(endpoints: readonly Endpoint[], pick: () => Endpoint | null, picks = PICKS): Map<Endpoint, number> {
  const counts = new Map(endpoints.map((endpoint) => [endpoint, 0]));
  for (let i = 0; i < picks; i++) {
    const picked = pick();
    assert.ok(picked !== null);
    counts.set(picked, counts.get(picked)! + 1);
  }
  return counts;
}

function assertShares(weights: readonly number[], picks: ReadonlyMap<Endpoint, number>, tolerance = TOLERANCE): void {
  const total = weights.reduce((sum, weight) => sum + weight);
  for (const [i, count] of [...picks.values()].entries()) {
    const due = (PICKS * weights[i]) / total;
    // Of an endpoint that gets few, chance has its part.
    assert.ok(Math.abs(count - due) <= due * tolerance + 3, `${count} requests where ${Math.round(due)} are due`);
  }
}
