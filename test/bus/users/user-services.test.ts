import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Bus, ProxyIdentity } from '../../../bus/types.ts';
import { NKey } from '../../../bus/users/nkey.ts';
import { until } from '../../until.ts';
import { type Mesh, startMesh } from '../harness.ts';

const newKey = (): string => NKey.generate('user').publicKey;

describe('what a user may say that it serves', () => {
  let mesh: Mesh;
  let control: Bus;
  before(async () => {
    mesh = await startMesh();
    control = await mesh.open('control');
  });
  after(() => mesh.stop());
  const who = (node: string): ProxyIdentity => ({ namespace: 'default', serviceAccount: 'default', node });
  const nothing = (): void => {};

  it('is known to every control plane at once, and to those that start later', async () => {
    let changes = 0;
    const first = await control.users!.services(() => changes++);
    await control.users!.issue(who('any'), newKey());
    await control.users!.issue(who('a'), newKey(), ['api', 'web']);
    await until('it is heard', () => changes === 1);
    assert.deepEqual([first.of(who('a')), first.of(who('any'))], [['api', 'web'], null]);
    const later = await mesh.open('control');
    const second = await later.users!.services(nothing);
    assert.deepEqual([second.of(who('a')), second.of(who('any'))], [['api', 'web'], null]);
    // Another one of the same node.
    assert.equal(second.of({ ...who('a'), serviceAccount: 'other' }), undefined);
    await until('there is none', () => second.of({ ...who('a'), serviceAccount: 'other' }) === null);
  });

  it('is looked for where what the proxy says is heard before its user is, of one and of many', async () => {
    const services = await (await mesh.open('control')).users!.services(nothing);
    const many = Array.from({ length: 50 }, (_, i) => who(`many-${i}`));
    assert.deepEqual(new Set([who('one'), ...many].map((each) => services.of(each))), new Set([undefined]));
    await until('there are none', () => [who('one'), ...many].every((each) => services.of(each) === null));
    const node = who('late');
    assert.equal(services.of(node), undefined);
    await control.users!.issue(node, newKey(), ['api']);
    await until('it is known', () => services.of(node)?.join() === 'api');
  });

  it('holds for a user that has expired by the clock here, until one for anything lives and the other is long over', async (t) => {
    const services = await control.users!.services(nothing);
    const hour = 3_600_000;
    await control.users!.issue(who('c'), newKey(), ['api']);
    await until('it is heard', () => services.of(who('c'))?.join() === 'api');
    const now = Date.now();
    const clock = t.mock.method(Date, 'now', () => now + 30 * hour);
    assert.deepEqual(services.of(who('c')), ['api'], 'the clock here is ahead by hours');
    await control.users!.issue(who('c'), newKey());
    await until('the other is over', () => services.of(who('c')) === null);
    clock.mock.mockImplementation(() => now + 24.5 * hour);
    assert.deepEqual(services.of(who('c')), ['api'], 'it may live by the clock of NATS');
    clock.mock.restore();
  });

  it('is not widened by another user of the same node, until the one is revoked or was let in anew for more', async () => {
    const services = await control.users!.services(nothing);
    const key = newKey();
    await control.users!.issue(who('b'), key, ['api', 'web']);
    await control.users!.issue(who('b'), newKey());
    await control.users!.issue(who('b'), newKey(), ['api', 'bank']);
    await until('all are heard', () => services.of(who('b'))?.join() === 'api');
    await control.users!.issue(who('b'), key);
    await until('one is for anything', () => services.of(who('b'))?.join() === 'api,bank');
    await control.users!.issue(who('b'), key, ['nothing-else']);
    await until('none is for all of it', () => services.of(who('b'))?.length === 0);
    await control.users!.revoke('b');
    await until('they are out', () => services.of(who('b'))?.length === 0);
    // Stored before they were revoked.
    const late = await (await mesh.open('control')).users!.services(nothing);
    assert.deepEqual(late.of(who('b')), []);
    await control.users!.issue(who('b'), newKey(), ['api']);
    await until('the next one is heard', () => services.of(who('b'))?.join() === 'api');
  });

  it('is nothing for who was revoked, until it is let in anew, by what counts then', async () => {
    const seen: unknown[] = [];
    let tell = nothing;
    const services = await control.users!.services(() => tell());
    const later = async () => (await mesh.open('control')).users!.services(nothing);
    for (const may of [[], ['api'], []]) await control.users!.issue(who('r'), newKey(), may);
    await until('it is heard', () => services.of(who('r'))?.join() === 'api');
    tell = () => seen.push(services.of(who('r')));
    await control.users!.revoke('r');
    await until('they are out', () => services.of(who('r'))?.length === 0);
    assert.deepEqual(new Set(seen.map(String)), new Set(['']), 'also between the first and the last of its users');
    assert.deepEqual((await later()).of(who('r')), [], 'neither by a user that was for anything');
    const sought = await later();
    await control.users!.issue(who('r'), newKey());
    await until('it is let in for anything', () => services.of(who('r')) === null);
    await until('everywhere', () => sought.of(who('r')) === null);
    assert.equal((await later()).of(who('r')), null);
  });

  it('stays anything for who never was bound, also let in anew', async () => {
    const services = await control.users!.services(nothing);
    await control.users!.issue(who('f'), newKey());
    await control.users!.revoke('f');
    await control.users!.issue(who('f'), newKey());
    await until('it is known', () => services.of(who('f')) === null);
    assert.equal((await (await mesh.open('control')).users!.services(nothing)).of(who('f')), null);
  });

  it('stays through renewals, whichever control plane makes them', async () => {
    const short = await startMesh();
    try {
      const life = { userLifeMs: 3_000 };
      const [one, other] = [await short.open('control', life), await short.open('control', life)];
      const services = await other.users!.services(nothing);
      const user = short.user('p');
      let renewals = 0;
      await short.open('proxy', {
        user: {
          ...user,
          enrol: (key) => one.users!.issue(user.identity, key, ['api']),
          keep: () => renewals++,
        },
      });
      await until('it was renewed twice', () => renewals >= 3);
      assert.deepEqual(services.of(user.identity), ['api']);
      assert.deepEqual((await one.users!.services(nothing)).of(user.identity), ['api']);
    } finally {
      await short.stop();
    }
  });
});
