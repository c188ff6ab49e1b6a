import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { applyCommit } from '../../bus/log/commit-format.ts';
import type { ProxyUser } from '../../bus/types.ts';
import { NKey } from '../../bus/users/nkey.ts';
import { until } from '../until.ts';
import { type Mesh, resources, startMesh, watch } from './harness.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

suite('a machine whose clock is not that of NATS', () => {
  for (const [what, ms] of [
    ['ten minutes ahead', 10 * MINUTE],
    ['ten minutes behind', -10 * MINUTE],
  ] as const) {
    test(`${what}, with control plane and proxy on it: what is issued holds, and what is revoked does not`, async (t) => {
      const mesh = await started(t);
      shiftClock(t, ms);
      const control = await mesh.open('control');
      let letIn = true;
      const { identity, seed } = mesh.user('p1');
      const kept: string[] = [];
      const user: ProxyUser = {
        ...{ identity, seed, jwt: '', keep: (jwt) => kept.push(jwt) },
        enrol: (key) => (letIn ? control.users!.issue(identity, key) : Promise.reject(new Error('no more'))),
      };
      const proxy = await mesh.open('proxy', { user });
      const follower = await watch(proxy.config, applyCommit);
      await control.config.commit({ parent: 0, author: '', message: '', upserts: resources(1, 'x'), removals: [] });
      await follower.reached(1);
      letIn = false;
      assert.equal(await control.users!.revoke('p1'), 1);
      await until('it is out', () => !proxy.connected);
      const again = mesh.open('proxy', { user: { ...user, jwt: kept.at(-1)! }, waitMs: 500 });
      await assert.rejects(again, /not known there, or not any more/);
    });
  }

  for (const [what, ms] of [
    ['three days ahead', 3 * DAY],
    ['three days behind', -3 * DAY],
  ] as const) {
    test(`${what}, with a proxy on it: it is let in by what was issued to it, at its first start and at the next`, async (t) => {
      const mesh = await started(t);
      const { identity, seed, enrol } = mesh.user('p1');
      const jwt = await enrol(new NKey(seed).publicKey);
      const kept: string[] = [];
      const user: ProxyUser = { identity, seed, jwt: '', enrol: async () => jwt, keep: (token) => kept.push(token) };
      shiftClock(t, ms);
      assert.ok((await mesh.open('proxy', { user })).connected);
      assert.ok((await mesh.open('proxy', { user: { ...user, jwt: kept[0] } })).connected);
    });
  }
});

async function started(t: TestContext): Promise<Mesh> {
  const mesh = await startMesh();
  t.after(() => mesh.stop());
  return mesh;
}

/** Of this process: nats-server's is right. */
function shiftClock(t: TestContext, ms: number): void {
  const { now } = Date;
  t.mock.method(Date, 'now', () => now() + ms);
}
