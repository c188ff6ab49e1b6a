import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Bus, Question } from '../../bus/types.ts';
import { until } from '../until.ts';
import { type Mesh, startMesh } from './harness.ts';

const who = (node: string) => ({ namespace: 'default', serviceAccount: 'default', node });

describe('what operators ask of a proxy', () => {
  let mesh: Mesh;
  let control: Bus;
  let other: Bus;
  const heard: Question[] = [];
  const after_: string[] = [];
  before(async () => {
    mesh = await startMesh();
    control = await mesh.open('control');
    const proxy = await mesh.open('proxy', { node: 'a' });
    other = await mesh.open('proxy', { node: 'b' });
    proxy.questions.answer(async (question) => {
      heard.push(question);
      const size = Number(/\d+/.exec(question.path)?.[0] ?? 1);
      return { status: 200, type: 'text/plain', body: 'é'.repeat(size), after: () => void after_.push(question.path) };
    });
    await proxy.config.load();
  });
  after(() => mesh.stop());

  it('is answered by that proxy, whatever the size of the answer', async () => {
    for (const size of [1, 200_000, 3_000_000]) {
      const { status, body } = await control.questions.ask(who('a'), { method: 'GET', path: `/${size}` });
      assert.deepEqual([status, body.length], [200, size]);
    }
    await control.questions.ask(who('a'), { method: 'POST', path: '/quitquitquit' });
    assert.deepEqual(heard.at(-1), { method: 'POST', path: '/quitquitquit' });
    await until('the rest follows', () => after_.at(-1) === '/quitquitquit');
    const many = { method: 'GET', path: '/9000000' } as const;
    assert.equal((await control.questions.ask(who('a'), many)).status, 413);
  });

  it('is heard by no other, asked by no other, and who is silent is named', async () => {
    const before_ = heard.length;
    const asked = other.questions.ask(who('a'), { method: 'POST', path: '/quitquitquit' }, 300);
    await assert.rejects(asked, /a did not answer over NATS within 0.3 s/);
    assert.equal(heard.length, before_);
    // It may listen where it likes: NATS gives it nothing of another's.
    const stolen: string[] = [];
    const thief = await mesh.open('proxy', { node: 'c', user: { ...mesh.user('c'), identity: who('a') } });
    thief.questions.answer(async ({ path }) => {
      stolen.push(path);
      return { status: 200, type: 'text/plain', body: 'a lie' };
    });
    const { body } = await control.questions.ask(who('a'), { method: 'GET', path: '/2' });
    assert.deepEqual([body, stolen], ['éé', []]);
    const silent = control.questions.ask(who('nobody'), { method: 'GET', path: '/' }, 200);
    await assert.rejects(silent, /nobody did not answer/);
  });
});
