import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { applyCommit } from '../../bus/log/commit-format.ts';
import type { Bus, ConfigState, Lease } from '../../bus/types.ts';
import { Discovery } from '../../control/discovery.ts';
import { Discovered } from '../../core/main/discovered.ts';
import { type Mesh, startMesh, type Watched, watch } from '../bus/harness.ts';
import { until } from '../until.ts';

function lease(proxy: string, port = 1): Lease {
  const who = { name: proxy, workload: proxy, namespace: 'default', serviceAccount: '', trustDomain: '', labels: {} };
  const endpoints = [
    { ...who, id: proxy, services: ['s'], address: '127.0.0.1', port, appPort: port, weight: 1, locality: '' },
  ];
  return { proxy, ttlMs: 60_000, node: {}, endpoints, admin: '', version: '', startedAt: '' };
}

function leases(...all: Lease[]): ReadonlyMap<string, Lease> {
  return new Map(all.map((each) => [each.proxy, each]));
}

const PORTS = ({ resources }: ConfigState) =>
  Object.fromEntries(
    [...resources].map(([key, body]) => [key, (body as { endpoints: { port: number }[] }).endpoints[0].port]),
  );

describe('the endpoint log', () => {
  let mesh: Mesh;
  let bus: Bus;
  let proxy: Watched;
  const started: Discovery[] = [];
  const start = async (on = bus, heardAgainMs = 600): Promise<Discovery> => {
    const discovery = await Discovery.start({ bus: on, heardAgainMs });
    started.push(discovery);
    return discovery;
  };
  before(async () => {
    mesh = await startMesh();
    bus = await mesh.open('control');
    proxy = await watch((await mesh.open('proxy')).endpoints, applyCommit);
  });
  afterEach(async () => {
    for (const discovery of started.splice(0)) await discovery.close();
  });
  after(async () => {
    await mesh.stop();
  });
  const is = (ports: Record<string, number>) =>
    until(`the log says ${JSON.stringify(ports)}`, () => isDeepStrictEqual(PORTS(proxy.state), ports));

  it('is told what changed, in one commit for all that came together, and nothing by renewals', async () => {
    const discovery = await start();
    discovery.lived(leases(lease('a'), lease('b'), lease('c')));
    await is({ a: 1, b: 1, c: 1 });
    assert.equal(proxy.state.revision, 1);
    discovery.lived(leases(lease('a'), lease('b', 2)));
    await is({ a: 1, b: 2 });
    assert.deepEqual(
      (await bus.endpoints.history(1)).map(({ upserts, removals }) => [upserts.map(({ key }) => key), removals]),
      [[['b'], ['c']]],
    );
    // Every renewal brings new objects that say the same.
    discovery.lived(leases(lease('a'), lease('b', 2)));
    discovery.lived(leases(lease('a'), lease('b', 3)));
    await is({ a: 1, b: 3 });
    assert.equal(proxy.state.revision, 3);
    await discovery.close();
  });

  it('takes of a lease what it says of its own identity and namespace', async () => {
    const discovery = await start();
    const of = (port: number, more: object) => ({ ...(lease('x', port).endpoints[0] as object), ...more });
    const from = { namespace: 'default', serviceAccount: 'x', node: 'x' };
    const own = { serviceAccount: 'x' };
    const endpoints = [
      of(1, own),
      of(2, { serviceAccount: 'other' }),
      of(3, { ...own, namespace: 'other' }),
      of(4, { ...own, services: ['s', 'bank.other.svc.cluster.local'] }),
      of(5, { ...own, services: ['bank.other'] }),
      of(6, { ...own, services: ['s.default.svc.cluster.local', 's.default'] }),
      of(7, { ...own, services: ['api.example.com'] }),
      null,
    ];
    discovery.lived(leases({ ...lease('x'), endpoints, from }));
    await until('it is told', () => proxy.state.resources.has('x'));
    const said = proxy.state.resources.get('x') as { endpoints: { port: number }[] };
    assert.deepEqual(
      said.endpoints.map(({ port }) => port),
      [1, 6],
    );
    await discovery.close();
  });

  it('tells of a proxy that changes all the time some changes at once, then one a second, and its last word', async () => {
    const discovery = await start();
    const before = proxy.state.revision;
    for (let port = 1; port <= 40; port++) {
      discovery.lived(leases(lease('f', port), lease('calm', 1)));
      await delay(15);
    }
    await is({ f: 40, calm: 1 });
    const told = (await bus.endpoints.history(100)).filter(({ revision }) => revision > before);
    assert.ok(told.length < 12, `${told.length} commits for 40 changes`);
    await discovery.close();
  });

  it('tells of many that join one after the other in a few commits', async () => {
    const discovery = await start();
    const before = proxy.state.revision;
    const joined: Lease[] = [];
    // One each 5 ms by the clock: on a machine that is late, several at a time.
    for (const begun = performance.now(); joined.length < 100; await delay(5)) {
      const due = Math.min(100, 1 + (performance.now() - begun) / 5);
      while (joined.length < Math.floor(due)) joined.push(lease(`j${joined.length}`, 1));
      discovery.lived(leases(...joined));
    }
    await until('all are told', () => proxy.state.resources.has('j99'));
    const told = proxy.state.revision - before;
    assert.ok(told < 15, `${told} commits`);
    await discovery.close();
  });

  it('has one writer of several, and the next one when that leaves or dies', async () => {
    const buses = [await mesh.open('control'), await mesh.open('control')];
    const [first, second] = [await start(buses[0]), await start(buses[1])];
    second.lived(leases(lease('a', 5)));
    first.lived(leases(lease('a', 6)));
    await is({ a: 6 });
    await first.close();
    await is({ a: 5 });
    const third = await start(bus);
    third.lived(leases(lease('a', 7)));
    // It dies without a word.
    await buses[1].close();
    await is({ a: 7 });
    await third.close();
  });

  it('of a new mesh is told to everybody once, and not again when all were heard', async () => {
    const fresh = await startMesh();
    try {
      const control = await fresh.open('control');
      const follow = async () => {
        const whole: number[] = [];
        const heard: number[] = [];
        const { endpoints } = await fresh.open('proxy');
        let state: ConfigState | null = null;
        const following = await endpoints.follow(null, {
          commit: (commit) => {
            state = applyCommit(state!, commit);
            if (commit.upserts.length > 0) heard.push(commit.revision);
          },
          state: (all) => {
            state = all;
            whole.push(all.resources.size);
          },
        });
        return { whole, heard, following, state: () => state! };
      };
      const early = await follow();
      const discovery = await Discovery.start({ bus: control, heardAgainMs: 300 });
      discovery.lived(leases(lease('a', 1), lease('b', 2)));
      await until('the log has begun anew', () => early.state().epoch > 0);
      assert.deepEqual([early.whole, early.heard], [[0], [1]]);
      assert.deepEqual(PORTS(early.state()), { a: 1, b: 2 });
      discovery.lived(leases(lease('a', 1), lease('b', 3)));
      await until('changes go on', () => PORTS(early.state()).b === 3);
      const late = await follow();
      assert.deepEqual(late.state().resources, early.state().resources);
      assert.equal(late.state().epoch, early.state().epoch);
      const begun = await control.endpoints.history(10);
      assert.deepEqual(
        begun.map(({ unchanged = false, upserts }) => [unchanged, upserts.length]),
        [
          [false, 1],
          [true, 0],
          [false, 2],
        ],
      );
      await discovery.close();
    } finally {
      await fresh.stop();
    }
  });

  it('that was lost leaves the set as it is until whoever lives has been heard again', async () => {
    const discovery = await start(bus, 3_000);
    discovery.lived(leases(lease('a', 8), lease('b', 8)));
    await is({ a: 8, b: 8 });
    const sets: string[] = [];
    const known = new Set<string>();
    const discovered = new Discovered(
      () => {},
      ({ upserts, removals }, full) => {
        if (full) known.clear();
        for (const [key] of upserts) known.add(key);
        for (const key of removals) known.delete(key);
        sets.push([...known].join());
      },
    );
    await discovered.follow(await mesh.open('proxy'));
    await mesh.crash();
    discovery.lived(leases(lease('a', 9)));
    await is({ a: 9 });
    assert.deepEqual([...new Set(sets)], ['a,b'], 'b may live, and was not heard yet');
    discovery.lived(leases(lease('a', 9), lease('c', 9)));
    await until('what is heard now counts', () => sets.at(-1) === 'a,c');
    assert.equal(sets.includes('a'), false);
  });
});
