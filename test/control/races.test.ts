import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { applyCommit } from '../../bus/log/commit-format.ts';
import type { ChangeResult } from '../../control/answers.ts';
import { resources, watch } from '../bus/harness.ts';
import { until } from '../until.ts';
import { type ErrorBody, files, type Plane, startDataPlane, virtualService } from './harness.ts';

let plane: Plane;
before(async () => {
  plane = await startDataPlane();
});
after(() => plane.stop());

describe('applies that race', () => {
  it('through two control planes are all kept, each validated on what the others made', async () => {
    const other = await plane.another();
    const names = Array.from({ length: 30 }, (_, n) => `race${n}`);
    const answers = await Promise.all(
      names.map((name, n) =>
        plane.call<ChangeResult>('POST', '/v1/apply', files(virtualService(name)), {
          to: n % 2 === 0 ? plane.control : other,
        }),
      ),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    const revisions = answers.map(({ body }) => body.revision).sort((a, b) => a - b);
    assert.deepEqual(
      revisions,
      Array.from(names, (_, n) => n + 1),
      'one revision each',
    );
    for (const to of [plane.control, other]) {
      const kept = async (): Promise<string[]> => {
        const { body } = await plane.call<{ items: { metadata: { name: string } }[] }>(
          'GET',
          '/v1/resources',
          undefined,
          { to },
        );
        return body.items.map(({ metadata }) => metadata.name).sort();
      };
      // What one control plane committed, the other hears of a moment later.
      await until('every change is known everywhere', async () => (await kept()).length === names.length);
      assert.deepEqual(await kept(), [...names].sort());
    }
  });

  it('with the same parent end in one commit and one clear conflict', async () => {
    const other = await plane.another();
    const parent = 30;
    const answers = await Promise.all(
      [plane.control, other].map((to, n) =>
        plane.call<ErrorBody & ChangeResult>(
          'POST',
          `/v1/apply?parent=${parent}`,
          files(virtualService('x', `v${n}`)),
          { to },
        ),
      ),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
    const lost = answers.find(({ status }) => status === 409)!;
    assert.equal(lost.body.error, 'the configuration is at revision 31, not 30: somebody else changed it first');
  });

  it('see what was applied through another control plane, whole', async () => {
    const other = await plane.another();
    const texts = Array.from({ length: 100 }, (_, n) => virtualService(`many${n}`));
    const { body } = await plane.call<ChangeResult>('POST', '/v1/apply', files(...texts), { to: other });
    // Waits for the revision to arrive where it is asked for.
    const rollout = await plane.call('GET', `/v1/revisions/${body.revision}/rollout`);
    assert.equal(rollout.status, 200);
    const seen = await plane.call<{ items: unknown[] }>('GET', '/v1/resources?kind=vs&namespace=default');
    assert.equal(seen.body.items.length, 131);
  });
});

describe('while something is killed', () => {
  /** Applies names one after another until each is accepted. Answers that were no success. */
  const applyStubbornly = async (prefix: string, count: number, refused: ErrorBody[]) => {
    for (let n = 0; n < count; ) {
      const body = files(virtualService(`${prefix}${n}`), virtualService(`${prefix}-pair`, `v${n}`));
      const answer = await plane.call<ErrorBody>('POST', '/v1/apply', body).catch((error: Error) => error);
      if (!(answer instanceof Error) && answer.status === 200) n++;
      else {
        if (!(answer instanceof Error)) refused.push(answer.body);
        await delay(20);
      }
    }
  };

  const compareAll = async (followers: Awaited<ReturnType<typeof watch>>[]) => {
    const reader = await plane.mesh.open('control');
    const state = await reader.config.load();
    await Promise.all(followers.map((follower) => follower.reached(state.revision)));
    for (const follower of followers) assert.deepEqual(follower.state.resources, state.resources);
    await until('the control plane has the state of the log', async () => {
      const { body } = await plane.call<{ revision: number; items: unknown[] }>('GET', '/v1/resources');
      return body.revision === state.revision && body.items.length === state.resources.size;
    });
    return state;
  };

  const follow = () =>
    Promise.all(
      Array.from({ length: 4 }, async () => {
        const proxy = await plane.mesh.open('proxy');
        return watch(proxy.config, applyCommit, await proxy.config.load());
      }),
    );

  it('NATS: nothing accepted is lost, refusals are a sentence, and everybody ends with the same state', async () => {
    const followers = await follow();
    const start = followers[0].state.revision;
    const refused: ErrorBody[] = [];
    const applying = applyStubbornly('nats', 40, refused);
    for (const step of [8, 24]) {
      await followers[0].reached(start + step);
      await plane.mesh.kill();
      await until('the API says it is not ready', async () => (await plane.call('GET', '/ready')).status === 503);
      const { status, body, headers } = await plane.call<ErrorBody>(
        'POST',
        '/v1/apply',
        files(virtualService('never')),
      );
      assert.deepEqual([status, headers['retry-after']], [503, '1']);
      assert.match(body.error, /^NATS, which keeps the configuration, is not connected; nothing was changed$/);
      assert.equal((await plane.call('GET', '/v1/resources')).status, 200, 'what is known is still told');
      assert.equal((await plane.call('GET', '/v1/revisions')).status, 503);
      await plane.mesh.start();
      await until('the API is ready again', async () => (await plane.call('GET', '/ready')).status === 200);
    }
    await applying;
    for (const { error } of refused) assert.match(error, /^[^\n]*(NATS|revision)[^\n]*$/);
    const state = await compareAll(followers);
    for (let n = 0; n < 40; n++) assert.ok(state.resources.has(`VirtualService/default/nats${n}`));
    assert.equal(state.resources.has('VirtualService/default/never'), false);
  });

  it('the control plane: nothing accepted is lost, and it knows everything again', async () => {
    const followers = await follow();
    const start = followers[0].state.revision;
    const applying = applyStubbornly('plane', 40, []);
    for (const step of [8, 24]) {
      await followers[0].reached(start + step);
      await plane.restart();
    }
    await applying;
    const state = await compareAll(followers);
    for (let n = 0; n < 40; n++) assert.ok(state.resources.has(`VirtualService/default/plane${n}`));
  });

  it('a writer in the middle of a large commit: the old revision stays whole', async () => {
    const writer = await plane.mesh.open('control');
    const { revision } = await writer.config.load();
    const committing = writer.config.commit({
      parent: revision,
      author: '',
      message: '',
      upserts: resources(1_000, 'x'.repeat(5_000), 'half'),
      removals: [],
    });
    await writer.close();
    await committing.catch(() => {});
    const state = await (await plane.mesh.open('control')).config.load();
    const found = [...state.resources.keys()].filter((key) => key.includes('half')).length;
    assert.ok(found === 0 || found === 1_000, `${found} of 1,000`);
  });
});

describe('a large apply', () => {
  it('of 5 MB and 1,000 resources is one revision that every follower gets whole', async () => {
    const proxy = await plane.mesh.open('proxy');
    const follower = await watch(proxy.config, applyCommit, await proxy.config.load());
    const texts = Array.from({ length: 1_000 }, (_, n) =>
      virtualService(`large${n}`).replace(
        'metadata:',
        `metadata:\n  annotations: {note: "${String(n).repeat(5_000).slice(0, 5_000)}"}`,
      ),
    );
    const sources = Array.from({ length: 10 }, (_, n) => texts.slice(n * 100, n * 100 + 100).join('---\n'));
    const { status, body } = await plane.call<ChangeResult>('POST', '/v1/apply', files(...sources));
    assert.equal(status, 200);
    assert.equal(body.changes.length, 1_000);
    await follower.reached(body.revision);
    assert.deepEqual(follower.commits, [body.revision]);
    assert.equal([...follower.state.resources.keys()].filter((key) => key.includes('large')).length, 1_000);
  });
});
