import assert from 'node:assert/strict';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { EMPTY_STATE } from '../../../bus/log/commit-format.ts';
import type { KeptState } from '../../../core/main/state.ts';
import { until } from '../../until.ts';
import { onBus } from './bus-harness.ts';
import { get, portOf, reverseProxy, virtualService } from './harness.ts';

suite('a proxy whose log is gone', () => {
  test('serves on what it runs, keeps it, and says so, until the configuration is restored', async (t) => {
    const { mesh, control, start, commit, statuses, upstream, dir } = await onBus(t);
    await commit(reverseProxy(upstream));
    const stateDir = join(dir, 'state');
    const running = await start({ stateDir });
    await running.ready;
    await mesh.crash();
    const said = /revision 1 runs, of a log that NATS no longer has: its log is empty/;
    const ready = async (url: string | null) => (await get(`${url}/ready`)).body;
    await until('it says so', async () => said.test(await ready(running.admin)));
    await until('its status says so', () =>
      statuses.some(({ ok, problems }) => !ok && said.test(JSON.stringify(problems))),
    );
    assert.equal((await get(`http://127.0.0.1:${portOf(running)}/`)).status, 200);
    await running.close();
    // Another one that starts from the same folder.
    const next = await start({ stateDir });
    await next.ready;
    await until('it says so, too', async () => said.test(await ready(next.admin)));
    assert.equal((await get(`http://127.0.0.1:${portOf(next)}/`)).status, 200);
    await until('the new log can be written', () =>
      control.config.load().then(
        () => true,
        () => false,
      ),
    );
    const young = await commit(virtualService('/only-here'));
    const nack = () => statuses.findLast(({ revision, ok }) => revision === young && !ok);
    await until('a change is not taken', () => nack() !== undefined);
    assert.equal((await get(`http://127.0.0.1:${portOf(next)}/`)).status, 200);
    const kept = JSON.parse(await readFile(join(stateDir, 'last-good.json'), 'utf8')) as KeptState;
    const { resources, at } = kept;
    const restored = await control.config.restore({ author: '', message: '', resources, at });
    await until('it runs what was restored', () =>
      statuses.some(({ revision, ok }) => revision === restored.revision && ok),
    );
    assert.equal(await ready(next.admin), 'LIVE\n');
    assert.equal((await get(`http://127.0.0.1:${portOf(next)}/`)).status, 200);
  });

  test('that was away reads anew what went on differently since', async (t) => {
    const { mesh, control, start, commit, upstream, dir } = await onBus(t);
    await commit(reverseProxy(upstream));
    const restore = await mesh.copy();
    await until('the control plane is back', () => control.connected);
    await commit(virtualService('/old'));
    const stateDir = join(dir, 'state');
    const first = await start({ stateDir });
    await first.ready;
    await first.close();
    await restore();
    await until(
      'the control plane is back',
      async () => (await control.config.load().catch(() => EMPTY_STATE)).revision === 1,
    );
    assert.equal(await commit(virtualService('/new')), 2);
    const second = await start({ stateDir });
    await second.ready;
    await until('it serves the new', async () => (await get(`http://127.0.0.1:${portOf(second)}/new`)).status === 200);
    assert.equal((await get(`http://127.0.0.1:${portOf(second)}/old`)).status, 404);
  });
});

suite('a proxy that starts from its disk', () => {
  test('does with the state before when the newest is damaged, and without a kind that it does not know', async (t) => {
    const { mesh, start, commit, statuses, upstream, dir, log } = await onBus(t);
    await commit(reverseProxy(upstream));
    const stateDir = join(dir, 'state');
    const first = await start({ stateDir });
    await first.ready;
    await until('it is kept', () =>
      readFile(join(stateDir, 'last-good.json')).then(
        () => true,
        () => false,
      ),
    );
    const revision = await commit(virtualService('/second'));
    await until('the second runs', () => statuses.some((status) => status.revision === revision && status.ok));
    await first.close();
    await mesh.kill();
    const newest = join(stateDir, 'last-good.json');
    const kept = JSON.parse(await readFile(newest, 'utf8')) as KeptState;
    const body = { apiVersion: 'weft.dev/v9', kind: 'Hologram', metadata: { name: 'a' }, spec: {} };
    await writeFile(
      newest,
      JSON.stringify({ ...kept, resources: [...kept.resources, { key: 'Hologram/default/a', body }] }),
    );
    const second = await start({ stateDir });
    await second.ready;
    assert.equal((await get(`http://127.0.0.1:${portOf(second)}/second`)).status, 200);
    assert.equal((await get(`http://127.0.0.1:${portOf(second)}/`)).status, 404);
    await log.line(/warning state: .*Hologram\/default\/a.*does not know the kind/);
    await second.close();
    await truncate(newest, 100);
    const third = await start({ stateDir });
    await third.ready;
    await log.line(/last-good\.json is not used/);
    await log.line(/revision 1 of the last run serves until NATS answers/);
    assert.equal((await get(`http://127.0.0.1:${portOf(third)}/`)).status, 200);
  });
});
