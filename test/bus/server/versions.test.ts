import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { applyCommit } from '../../../bus/log/commit-format.ts';
import { until } from '../../until.ts';
import { resources, startMesh, watch } from '../harness.ts';
import { versions } from './versions.ts';

for (const { name, folder } of await versions()) {
  describe(`the bus on ${name} nats-server`, () => {
    it('carries configuration, modules, leases and statuses, trims its history, and starts again', async (t) => {
      const mesh = await startMesh({ path: await folder() });
      t.after(() => mesh.stop());
      const history = { manifestEvery: 5, commits: 5, maxAgeMs: 3_600_000 };
      const control = await mesh.open('control', { history });
      const proxy = await mesh.open('proxy', { node: 'a.b' });
      const follower = await watch(proxy.config, applyCommit);

      const large = resources(3, randomBytes(600_000).toString('base64'), 'large');
      await control.config.commit({ parent: 0, author: '', message: '', upserts: large, removals: [] });
      let parent = 1;
      while (parent < 12 || (await control.config.get(1)) !== null) {
        assert.ok(parent < 500, 'history is trimmed');
        const upserts = resources(2, parent);
        parent = (await control.config.commit({ parent, author: '', message: '', upserts, removals: [] })).revision;
      }
      await follower.reached(parent);
      assert.deepEqual(follower.state.resources, (await control.config.load()).resources);
      assert.equal(follower.state.resources.size, 5);
      const late = { parent: 7, author: '', message: '', upserts: [], removals: [] };
      await assert.rejects(control.config.commit(late), /somebody else changed it first/);

      const module = randomBytes(700_000);
      const [digest, same] = await Promise.all([control.objects.put(module), control.objects.put(module)]);
      assert.equal(same, digest);
      const unused = await control.objects.put(Buffer.from('unused'));
      assert.deepEqual(Buffer.from((await proxy.objects.get(digest))!), module);
      assert.equal(await control.objects.sweep(new Set([digest]), 0), 1);
      assert.deepEqual([await proxy.objects.has(digest), await proxy.objects.has(unused)], [true, false]);
      assert.deepEqual(
        (await control.objects.list()).map((object) => object.digest),
        [digest],
      );
      assert.equal(await control.objects.put(Buffer.from('unused')), unused, 'what was swept can be put again');
      assert.equal(String(await proxy.objects.get(unused)), 'unused');

      let alive: string[] = [];
      await control.leases.follow((leases) => {
        alive = [...leases.keys()];
      });
      const lease = { ttlMs: 60_000, node: {}, endpoints: [], admin: '', version: '', startedAt: '' };
      await proxy.leases.hold({ ...lease, proxy: 'a.b' });
      await until('its lease is seen', () => alive.includes('a.b'));
      const heard: number[] = [];
      await control.statuses.follow(({ revision }) => heard.push(revision));
      proxy.statuses.report({ proxy: 'a.b', revision: parent, ok: true, problems: [], shards: 1, ms: 1, time: '' });
      await until('its status is seen', () => heard.includes(parent));

      await mesh.kill();
      await mesh.start();
      await until('both are back', () => control.connected && proxy.connected);
      await control.config.commit({ parent, author: '', message: '', upserts: resources(1, 'new'), removals: [] });
      await follower.reached(parent + 1);
      assert.deepEqual(follower.state.resources, (await control.config.load()).resources);
    });
  });
}
