import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lease, ProxyIdentity } from '../../../bus/types.ts';
import { AllowedLeases } from '../../../control/joining/allowed.ts';

const FROM = { namespace: 'shop', serviceAccount: 'api', node: 'p' };
const lease = (...services: unknown[]): Lease => ({
  ...{ proxy: 'p', ttlMs: 60_000, admin: '', version: '', startedAt: '', from: FROM },
  node: { name: 'p', services: services.flat() },
  endpoints: services.map((each) => ({ namespace: 'shop', services: each })),
});

async function follow(users: boolean) {
  const log: string[] = [];
  const seen: Lease[] = [];
  let may: readonly string[] | null | undefined = null;
  let changed = (): void => {};
  let heard: (leases: ReadonlyMap<string, Lease>) => void = () => {};
  const allowed = new AllowedLeases({
    leases: {
      follow: async (onChange) => {
        heard = onChange;
        return { close: async () => {} };
      },
    },
    users: users
      ? {
          services: async (onChange) => {
            changed = onChange;
            return { of: ({ node }: ProxyIdentity) => (node === 'p' ? may : null) };
          },
        }
      : null,
    onLog: (line) => log.push(line),
  });
  await allowed.follow((leases) => seen.push(leases.get('p')!));
  return {
    log,
    seen,
    may(services: readonly string[] | null | undefined) {
      may = services;
      changed();
    },
    says: (said: Lease) => heard(new Map([['p', said]])),
  };
}

const served = ({ endpoints }: Lease): unknown => endpoints.map((each) => (each as { services: unknown }).services);

test('a lease of who may serve anything is passed on as it is, as are all where nobody is bound', async () => {
  for (const users of [true, false]) {
    const { says, seen } = await follow(users);
    const said = lease(['bank'], []);
    says(said);
    assert.equal(seen[0], said);
  }
});

test('of who may serve some services the others are left out, under any of their names, and that is told once', async () => {
  const { says, seen, may, log } = await follow(true);
  may(['api', 'web']);
  const full = 'api.shop.svc.cluster.local';
  const bank = 'bank.shop.svc.cluster.local';
  const said = lease(
    ['api'],
    ['API', full],
    ['web'],
    [],
    ['api', 'bank'],
    [bank],
    ['api.bank.svc.cluster.local'],
    'x',
    [7],
  );
  says(said);
  assert.deepEqual(served(seen[0]), [['api'], ['API', full], ['web'], []]);
  // Labels say nothing more either.
  for (const endpoint of seen[0].endpoints) assert.deepEqual((endpoint as { only: unknown }).only, ['api', 'web']);
  const node = seen[0].node as { services: unknown; name: string };
  assert.deepEqual(node, { name: 'p', services: ['api', 'API', full, 'web', 'api'] });
  says(said);
  assert.equal(seen[1], seen[0]);
  says(lease(['bank']));
  assert.deepEqual(log, ['p says that it serves more than api, web, which its token is for: that is left out']);
  says(lease('api', null));
  assert.deepEqual(served(seen[3]), []);
});

test('what users may say counts as soon as it changes', async () => {
  const { says, seen, may } = await follow(true);
  const said = lease(['api'], ['bank']);
  says(said);
  may(['bank']);
  may([]);
  may(null);
  assert.deepEqual(seen.map(served), [[['api'], ['bank']], [['bank']], [], [['api'], ['bank']]]);
  assert.equal(seen[3], said);
});

test('who says something before its user is heard of serves nothing until then', async () => {
  const { says, seen, may, log } = await follow(true);
  may(undefined);
  says(lease(['bank']));
  assert.equal(seen.at(-1), undefined);
  may(['api']);
  assert.deepEqual(served(seen.at(-1)!), []);
  assert.equal(log.length, 1);
  const said = lease(['bank']);
  may(undefined);
  says(said);
  may(null);
  assert.equal(seen.at(-1), said);
});
