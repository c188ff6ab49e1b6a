import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Clock, LeaseSet } from '../../bus/leases.ts';
import { type Bus, type Lease, type ProxyIdentity, TooLargeError } from '../../bus/types.ts';
import { until } from '../until.ts';
import { type Mesh, startMesh } from './harness.ts';

function lease(proxy: string, more: Partial<Lease> = {}): Lease {
  const startedAt = '2026-01-01T00:00:00Z';
  return { proxy, ttlMs: 3_000, node: { id: proxy }, endpoints: [], admin: '', version: '1', startedAt, ...more };
}

/** A set under a clock that the test turns. Renewals are what `renew` says. */
class Scene {
  time = 0;
  connected = true;
  renewed: string[] = [];
  current: readonly string[] = [];
  changes = 0;
  readonly set: LeaseSet;

  constructor() {
    const clock: Clock = { now: () => this.time, every: () => () => {} };
    this.set = new LeaseSet(
      clock,
      () => this.connected,
      (leases) => {
        this.current = [...leases.keys()].sort();
        this.changes++;
      },
    );
  }

  hear(proxy: string, more: Partial<Lease> = {}, ageMs: number | null = null): void {
    this.set.value(named(proxy), Buffer.from(JSON.stringify(lease(proxy, more))), ageMs);
  }

  /** Turns the clock in steps of 100 ms; those in `renewed` renew every second. */
  async pass(ms: number): Promise<void> {
    for (const end = this.time + ms; this.time < end; ) {
      this.time += 100;
      if (this.time % 1_000 === 0) for (const proxy of this.renewed) this.set.renew(named(proxy));
      this.set.expire();
    }
    // Changes are told once a turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function named(node: string): ProxyIdentity {
  return { namespace: 'default', serviceAccount: 'default', node };
}

describe('a set of leases', () => {
  it('keeps who was first under a name, for as long as it lives', async () => {
    const scene = new Scene();
    scene.hear('a', { admin: 'first' });
    scene.set.complete();
    const foreign = { ...named('a'), namespace: 'evil' };
    scene.set.value(foreign, Buffer.from(JSON.stringify(lease('a', { admin: 'second' }))), 0);
    scene.set.value(foreign, Buffer.from(JSON.stringify({ withdrawn: true, startedAt: lease('a').startedAt })), null);
    await scene.pass(100);
    assert.deepEqual(scene.current, ['a']);
  });

  it('loses who is silent for its TTL while others renew', async () => {
    const scene = new Scene();
    for (const proxy of ['a', 'b', 'c']) scene.hear(proxy);
    scene.set.complete();
    scene.renewed = ['a', 'b', 'c'];
    await scene.pass(10_000);
    assert.deepEqual(scene.current, ['a', 'b', 'c']);
    scene.renewed = ['a', 'b'];
    await scene.pass(2_900);
    assert.deepEqual(scene.current, ['a', 'b', 'c']);
    await scene.pass(1_100);
    assert.deepEqual(scene.current, ['a', 'b']);
  });

  it('loses nobody when everybody falls silent at once', async () => {
    const scene = new Scene();
    for (const proxy of ['a', 'b']) scene.hear(proxy);
    scene.set.complete();
    await scene.pass(3_600_000);
    assert.deepEqual(scene.current, ['a', 'b']);
  });

  it('loses the only one when the bus is seen to deliver', async () => {
    const scene = new Scene();
    scene.hear('a');
    scene.set.complete();
    for (let n = 0; n < 5; n++) {
      scene.set.alive();
      await scene.pass(1_000);
    }
    assert.deepEqual(scene.current, []);
  });

  it('stays as it is while disconnected, and gives everybody a whole TTL afterwards', async () => {
    const scene = new Scene();
    for (const proxy of ['a', 'b', 'c']) scene.hear(proxy);
    scene.set.complete();
    scene.renewed = ['a', 'b', 'c'];
    await scene.pass(5_000);
    scene.connected = false;
    scene.renewed = [];
    await scene.pass(600_000);
    assert.deepEqual(scene.current, ['a', 'b', 'c']);
    scene.connected = true;
    scene.renewed = ['a'];
    await scene.pass(3_000);
    assert.deepEqual(scene.current, ['a', 'b', 'c']);
    await scene.pass(2_000);
    assert.deepEqual(scene.current, ['a']);
  });

  it('does not take a burst after a stall of its own for the silence of others', async () => {
    const scene = new Scene();
    for (const proxy of ['a', 'b', 'c']) scene.hear(proxy);
    scene.set.complete();
    scene.time += 20_000;
    scene.hear('a');
    scene.set.expire();
    scene.hear('b');
    scene.hear('c');
    await scene.pass(100);
    assert.deepEqual(scene.current, ['a', 'b', 'c']);
  });

  it('is told once for a renewal that says nothing new, and again for one that does', async () => {
    const scene = new Scene();
    scene.hear('a');
    scene.set.complete();
    assert.equal(scene.changes, 1);
    scene.hear('a');
    await scene.pass(100);
    assert.equal(scene.changes, 1);
    scene.hear('a', { admin: 'http://127.0.0.1:1' });
    scene.hear('b');
    await scene.pass(100);
    assert.equal(scene.changes, 2);
  });

  it('leaves out what was long silent when it was first read', async () => {
    const scene = new Scene();
    // Stored anew every twelfth renewal, which comes every second.
    scene.hear('dead', {}, 15_001);
    scene.hear('alive', {}, 14_999);
    scene.set.complete();
    assert.deepEqual(scene.current, ['alive']);
  });

  it('loses who withdraws at once, but not its successor of the same id', async () => {
    const scene = new Scene();
    scene.hear('a', { startedAt: 'first' });
    scene.hear('b', { startedAt: 'first' });
    scene.set.complete();
    scene.hear('b', { startedAt: 'second' });
    const withdrawn = Buffer.from('{"withdrawn":true,"startedAt":"first"}');
    scene.set.value(named('a'), withdrawn, null);
    scene.set.value(named('b'), withdrawn, null);
    await scene.pass(100);
    assert.deepEqual(scene.current, ['b']);
  });

  it('loses who says that it lives for ever after minutes of silence, also where it was only read', async () => {
    const minute = 60_000;
    for (const ageMs of [null, 24 * minute]) {
      const scene = new Scene();
      for (const proxy of ['a', 'b']) scene.hear(proxy);
      const said = Buffer.from(JSON.stringify(lease('x', { ttlMs: 7 })).replace(':7,', ':1e999,'));
      scene.set.value(named('x'), said, ageMs);
      scene.set.value(named('y'), Buffer.from(JSON.stringify(lease('y', { ttlMs: 1e9 }))), ageMs);
      scene.set.complete();
      scene.renewed = ['a', 'b'];
      await scene.pass(3 * minute);
      assert.deepEqual(scene.current, ['a', 'b', 'x', 'y']);
      await scene.pass(3 * minute);
      assert.deepEqual(scene.current, ['a', 'b']);
      scene.set.value(named('x'), said, 26 * minute);
      await scene.pass(100);
      assert.deepEqual(scene.current, ['a', 'b']);
    }
  });

  it('ignores what is no lease, or is about somebody else', async () => {
    const scene = new Scene();
    scene.set.complete();
    for (const text of ['', 'null', '{}', '[]', '{"proxy":"x"', '{"withdrawn":true}', JSON.stringify(lease('y'))]) {
      scene.set.value(named('x'), Buffer.from(text), 0);
    }
    scene.set.value(named('x'), Buffer.from(JSON.stringify(lease('x', { ttlMs: 1 }))), 0);
    await scene.pass(100);
    assert.deepEqual(scene.current, []);
  });
});

describe('leases on the bus', () => {
  let mesh: Mesh;
  let control: Bus;
  before(async () => {
    mesh = await startMesh();
    control = await mesh.open('control');
  });
  after(() => mesh.stop());

  it('are seen by who was there and who comes later, and end by withdrawal at once', async () => {
    const [early, late] = [control, await mesh.open('control')];
    const seen: string[][] = [];
    await early.leases.follow((leases) => seen.push([...leases.keys()].sort()));
    assert.equal(seen.length === 1 && seen[0].length === 0, true, 'told at first, though empty');
    const ids = Array.from({ length: 20 }, (_, n) => `proxy.${n}`);
    const held = await Promise.all(
      ids.map(async (node) => (await mesh.open('proxy', { node })).leases.hold(lease(node, { ttlMs: 60_000 }))),
    );
    await until('all are seen', () => seen.at(-1)?.length === 20);
    const first: string[][] = [];
    const following = await late.leases.follow((leases) => first.push([...leases.keys()].sort()));
    assert.deepEqual(first[0], ids.sort(), 'the first set is complete');
    await held[0].withdraw();
    await until('the withdrawal is seen', () => seen.at(-1)?.length === 19 && first.at(-1)?.length === 19);
    assert.equal(seen.at(-1)?.includes('proxy.0'), false);
    await following.close();
    await Promise.all(held.map((each) => each.withdraw()));
    await until('all withdrawals are seen', () => seen.at(-1)?.length === 0);
    assert.equal(first.at(-1)?.length, 19, 'who closed is told nothing more');
  });

  it('end when their proxy dies, while the control plane lives', async () => {
    const [dying, living] = [await mesh.open('proxy', { node: 'dying' }), await mesh.open('proxy', { node: 'living' })];
    let seen: string[] = [];
    const following = await control.leases.follow((leases) => {
      seen = [...leases.keys()].sort();
    });
    await dying.leases.hold(lease('dying', { ttlMs: 600 }));
    const kept = await living.leases.hold(lease('living', { ttlMs: 600 }));
    await until('both are seen', () => seen.length === 2);
    await dying.close();
    await until('the dead one expires', () => seen.length === 1);
    assert.deepEqual(seen, ['living']);
    await kept.withdraw();
    await following.close();
  });

  it('refuse what is too large or too short', async () => {
    const proxy = await mesh.open('proxy', { node: 'one' });
    const endpoints = ['x'.repeat(140_000)];
    await assert.rejects(proxy.leases.hold(lease('one', { endpoints })), TooLargeError);
    await assert.rejects(proxy.leases.hold(lease('one', { ttlMs: 10 })), /at least 300 ms/);
    const held = await proxy.leases.hold(lease('one'));
    assert.throws(() => held.update(lease('two')), /cannot become two's/);
    await held.withdraw();
  });
});
