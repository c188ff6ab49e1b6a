// Checks of a change beside what it has to do with: they refuse what a dry run of everything refuses, and no more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckedState, NOTHING_DECODED } from '../../control/checker/checked-state.ts';
import { type Plan, planApply, planDelete } from '../../control/checker/plan.ts';
import type { Resource } from '../../core/config/resource.ts';
import { dryRun } from '../../core/snapshot/dry-run.ts';
import { resources } from '../core/snapshot/rig.ts';
import { KINDS, pick, type Random, resourceText, seeded } from '../fuzz/history-resources.ts';

/** Longer than a filter's configuration can hold. */
const LONG = 'x'.repeat(70_000);

/** What some proxy cannot compile, if it is for any. */
const FAULTY: readonly ((random: Random) => object)[] = [
  (random) => policy({ selector: { matchLabels: { app: pick(random, ['a', 'web', 'nobody']) } } }),
  () => policy({}),
  (random) => rule(random, { corsPolicy: { allowOrigins: [{ exact: `https://${LONG}` }] } }),
  (random) => rule(random, { headers: { request: { set: { a: '%NO_SUCH_OPERATOR%' } } } }),
  () => chain({ insert: [{ filter: 'headers', after: 'fault', config: { request: { set: { a: 1 } } } }] }),
];
/** What decides whether that is compiled. */
const DECIDING: readonly ((random: Random) => object)[] = [
  () => chain({ disable: ['cors'] }),
  () => chain({ routes: [{ route: 'r', filter: 'cors', disable: true }] }),
  (random) => ({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: pick(random, ['a', 'c']), namespace: 'default' } },
    spec: { ports: [{ name: 'http', port: pick(random, [80, 81, 9080]) }] },
  }),
  (random) => ({
    ...{ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name: 'e', namespace: 'default' } },
    spec: {
      hosts: [pick(random, ['a.example', 'c.example'])],
      ports: [{ number: pick(random, [80, 81]), name: 'http', protocol: 'HTTP' }],
    },
  }),
];

test('after random changes a check refuses what a dry run of the whole state refuses', () => {
  let refused = 0;
  let accepted = 0;
  for (let seed = 1; seed <= 24; seed++) {
    const random = seeded(seed);
    const state = new CheckedState();
    let all = new Map<string, Resource>();
    for (let step = 0; step < 25; step++) {
      const plan = randomPlan(random, state, all);
      if (plan === null) continue;
      const next = new Map(all);
      for (const key of plan.removals) next.delete(key);
      for (const [key, body] of plan.upserts) next.set(key, body as Resource);
      const changed = new Set(plan.changes.map(({ key }) => key));
      const { refusal } = state.try(plan, NOTHING_DECODED);
      const expected = dryRun(next, { changed });
      const errors = refusal.filter(({ severity }) => severity === 'error');
      const shown = (problems: readonly { code: string; resource?: string }[]) =>
        problems.map(({ code, resource }) => `${code} ${resource}`).sort();
      assert.deepEqual(shown(errors), shown(expected), `seed ${seed}, step ${step}`);
      if (errors.length > 0) {
        refused++;
        if (random() < 0.5) state.takeBack();
        continue;
      }
      accepted++;
      state.adopt(step + 1);
      all = next;
    }
  }
  assert.ok(refused > 30 && accepted > 120, `${refused} refused, ${accepted} accepted`);
});

function randomPlan(random: Random, state: CheckedState, all: ReadonlyMap<string, Resource>): Plan | null {
  if (random() < 0.3) return planDelete(state.find, [pick(random, [...all.keys(), 'Service/default/none'])]);
  const choice = random();
  const wanted = new Map<string, Resource>();
  for (let i = 0; i <= random() * 2; i++) {
    const text =
      choice < 0.25
        ? JSON.stringify(pick(random, FAULTY)(random))
        : choice < 0.5
          ? JSON.stringify(pick(random, DECIDING)(random))
          : resourceText(random, pick(random, KINDS));
    for (const [key, resource] of resources(text)) wanted.set(key, resource);
  }
  return planApply(state.find, wanted);
}

function policy(where: object): object {
  const spec = { ...where, rules: [{ to: [{ operation: { paths: [`/${LONG}`] } }] }] };
  const metadata = { name: 'long', namespace: 'shop' };
  return { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata, spec };
}

/** Compiled only on a port, behind a gateway, or for some callers. */
function rule(random: Random, more: object): object {
  const match = pick(random, [{}, { match: [{ port: 81 }] }, { match: [{ sourceLabels: { app: 'web' } }] }]);
  const where = pick(random, [{}, { gateways: ['default/edge'] }]);
  const hosts = [pick(random, ['a', 'c.example', '*.example', 'a.default.svc.cluster.local'])];
  const http = [{ name: 'r', ...match, route: [{ destination: { host: 'a' } }], ...more }];
  const metadata = { name: pick(random, ['one', 'two']), namespace: 'default' };
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec: { ...where, hosts, http } };
}

function chain(spec: object): object {
  const metadata = { name: 'chain', namespace: 'default' };
  return { apiVersion: 'weft.dev/v1', kind: 'FilterChain', metadata, spec: { direction: 'outbound', ...spec } };
}
