import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { Bus, Lease, ProxyStatus } from '../../bus/types.ts';
import type { ChangeResult } from '../../control/answers.ts';
import { type ProxyReport, type RolloutReport, Rollouts } from '../../control/rollout.ts';
import { until } from '../until.ts';
import { files, type Plane, startDataPlane, virtualService } from './harness.ts';

function lease(proxy: string): Lease {
  const admin = `http://127.0.0.1:1/${proxy}`;
  return {
    proxy,
    ttlMs: 60_000,
    node: { id: proxy },
    endpoints: [{ id: proxy }],
    admin,
    version: '9',
    startedAt: 'now',
  };
}

function answer(proxy: string, revision: number, problems: unknown[] = []): ProxyStatus {
  return { proxy, revision, ok: problems.length === 0, problems, shards: 2, ms: 3, time: '2026-01-01T00:00:00Z' };
}

function leases(...ids: string[]): Map<string, Lease> {
  return new Map(ids.map((id) => [id, lease(id)]));
}

describe('a rollout', () => {
  let time: number;
  const begin = () => {
    time = 1_000;
    return new Rollouts(() => time);
  };

  it('expects who lived when the commit was made, and measures from publish to answer', () => {
    const rollouts = begin();
    rollouts.lived(leases('a', 'b', 'c', 'd'));
    const stands = rollouts.publish();
    time += 5;
    rollouts.answered(answer('a', 1));
    stands(1);
    rollouts.lived(leases('a', 'b', 'c', 'd', 'joined'));
    time += 5;
    rollouts.answered(answer('b', 1));
    rollouts.answered(answer('joined', 1));
    time += 90;
    rollouts.answered(answer('c', 2));
    const report = rollouts.report(1);
    assert.deepEqual([report.missing, report.done], [['d'], false]);
    assert.deepEqual([report.p50Ms, report.p99Ms, report.maxMs], [10, 100, 100]);
  });

  it('is done when everybody has answered, also by refusing, and tells why', () => {
    const rollouts = begin();
    rollouts.lived(leases('a', 'b'));
    rollouts.publish()(1);
    rollouts.answered(answer('a', 1));
    rollouts.answered(answer('b', 1, ['no']));
    const report = rollouts.report(1);
    assert.deepEqual([report.acked, report.nacked, report.done], [1, [{ proxy: 'b', problems: ['no'] }], true]);
    rollouts.answered(answer('b', 2));
    assert.deepEqual(rollouts.report(1).acked, 2, 'whoever serves a later revision has this one behind it');
  });

  it('is answered for a proxy by who holds its lease, and by nobody else who calls itself alike', () => {
    const rollouts = begin();
    const by = (namespace: string) => ({ from: { namespace, serviceAccount: 'default', node: 'a' } });
    const mine = { ...lease('a'), ...by('shop') };
    rollouts.answered({ ...answer('a', 4, ['theirs']), ...by('other') });
    rollouts.answered({ ...answer('a', 3), ...by('shop') });
    rollouts.lived(new Map([['a', mine]]));
    assert.deepEqual(
      rollouts.proxies(4).map(({ revision, state }) => [revision, state]),
      [[3, 'STALE']],
    );
    rollouts.publish()(5);
    rollouts.answered({ ...answer('a', 5), ...by('other') });
    assert.deepEqual([rollouts.report(5).acked, rollouts.report(5).missing], [0, ['a']]);
    rollouts.answered({ ...answer('a', 5, ['no']), ...by('other') });
    assert.deepEqual([rollouts.report(5).nacked, rollouts.proxies(5)[0].state], [[], 'STALE']);
    rollouts.answered({ ...answer('a', 5), ...by('shop') });
    assert.deepEqual([rollouts.report(5).done, rollouts.proxies(5)[0].state], [true, 'SYNCED']);
    // The other one's turn: what it said counts once the lease is its.
    rollouts.lived(new Map([['a', { ...mine, ...by('other') }]]));
    assert.equal(rollouts.proxies(5)[0].state, 'NACK');
  });

  it('takes a refusal of a later revision for no answer', () => {
    const rollouts = begin();
    rollouts.lived(leases('a'));
    rollouts.publish()(1);
    rollouts.answered(answer('a', 2, ['no']));
    assert.deepEqual(rollouts.report(1).missing, ['a']);
  });

  it('counts who joined later once it has answered, and tells of its refusal', () => {
    const rollouts = begin();
    rollouts.lived(leases('a'));
    rollouts.publish()(1);
    time += 7;
    rollouts.answered(answer('a', 1));
    rollouts.lived(leases('a', 'silent', 'serves', 'refuses'));
    time += 500;
    rollouts.answered(answer('serves', 1));
    rollouts.answered(answer('refuses', 1, ['no']));
    const report = rollouts.report(1);
    assert.deepEqual([report.expected, report.acked, report.missing, report.done], [3, 2, [], true]);
    assert.deepEqual(report.nacked, [{ proxy: 'refuses', problems: ['no'] }]);
    assert.equal(report.maxMs, 7, 'it is not measured');
  });

  it('does not wait for who has left', () => {
    const rollouts = begin();
    rollouts.lived(leases('a', 'b'));
    rollouts.publish()(1);
    rollouts.answered(answer('a', 1));
    rollouts.lived(leases('a'));
    const report = rollouts.report(1);
    assert.deepEqual([report.expected, report.gone, report.done], [1, ['b'], true]);
  });

  it('that was made before this control plane looked is told without times', () => {
    const rollouts = begin();
    rollouts.lived(leases('a', 'b'));
    rollouts.answered(answer('a', 4));
    const report = rollouts.report(3);
    assert.deepEqual([report.expected, report.acked, report.missing, report.p50Ms], [2, 1, ['b'], null]);
  });

  it('of thousands settles with the last answer, for all who wait, and looks at each answer once', async () => {
    const rollouts = begin();
    const ids = Array.from({ length: 3_000 }, (_, i) => `p${i}`);
    rollouts.lived(leases(...ids));
    for (let revision = 1; revision <= 20; revision++) {
      rollouts.publish()(revision);
      const waiting = Array.from({ length: 20 }, () => rollouts.wait(revision, 60_000, new AbortController().signal));
      for (const id of ids) rollouts.answered(answer(id, revision));
      for (const report of await Promise.all(waiting)) assert.deepEqual([report?.acked, report?.done], [3_000, true]);
    }
    // Its own commit replaces what was begun when it arrived, also for those who wait already.
    const stands = rollouts.publish();
    rollouts.arrived(21);
    const waiting = rollouts.wait(21, 60_000, new AbortController().signal);
    stands(21);
    for (const id of ids) rollouts.answered(answer(id, 21));
    assert.equal((await waiting)?.done, true);
    // Of a large mesh fewer are kept, and the newest always.
    for (let revision = 22; revision <= 100; revision++) rollouts.publish()(revision);
    assert.equal(rollouts.report(100).missing.length, 3_000);
    assert.equal(rollouts.report(21).acked, 3_000);
  });

  it('of a commit of another control plane has no times, whenever its answers came', () => {
    const rollouts = begin();
    rollouts.lived(leases('a', 'b'));
    rollouts.answered(answer('a', 1));
    rollouts.arrived(1);
    time += 5;
    rollouts.answered(answer('b', 1));
    const { acked, done, p50Ms, p99Ms, maxMs } = rollouts.report(1);
    assert.deepEqual([acked, done, p50Ms, p99Ms, maxMs], [2, true, null, null, null]);
    // Its own commit may arrive before NATS has confirmed it.
    const stands = rollouts.publish();
    rollouts.arrived(2);
    time += 7;
    rollouts.answered(answer('a', 2));
    rollouts.answered(answer('b', 2));
    stands(2);
    assert.equal(rollouts.report(2).p50Ms, 7);
  });
});

describe('a long list of proxies', () => {
  it('is told page by page, or of those whose name begins so', () => {
    const rollouts = new Rollouts();
    const id = (n: number) => `sidecar~127.0.0.${n}~web-${n}.shop~shop.svc.cluster.local`;
    rollouts.lived(leases(...[5, 3, 1, 4, 2].map(id), 'api'));
    const shown = (asked?: Parameters<Rollouts['proxies']>[1]) => rollouts.proxies(0, asked).map((each) => each.id);
    assert.deepEqual(shown(), ['api', ...[1, 2, 3, 4, 5].map(id)]);
    assert.deepEqual(shown({ limit: 2 }), ['api', id(1)]);
    assert.deepEqual(shown({ limit: 2, after: id(1) }), [2, 3].map(id));
    assert.deepEqual(shown({ after: id(5) }), []);
    assert.deepEqual(shown({ name: 'web-3' }), [id(3)]);
    assert.deepEqual(shown({ name: 'sidecar~127.0.0.4' }), [id(4)]);
    assert.deepEqual([shown({ name: 'ap' }), shown({ name: 'eb-3' })], [['api'], []]);
  });
});

describe('proxies seen through the API', () => {
  let plane: Plane;
  const buses = new Map<string, Promise<Bus>>();
  const of = (node: string): Promise<Bus> => {
    const bus = buses.get(node) ?? plane.mesh.open('proxy', { node });
    buses.set(node, bus);
    return bus;
  };
  before(async () => {
    plane = await startDataPlane();
  });
  after(() => plane.stop());

  it('answer a long poll that ends when the last of them has answered', async () => {
    const held = await Promise.all(['p1', 'p2', 'p3'].map(async (id) => (await of(id)).leases.hold(lease(id))));
    const proxies = async () => (await plane.call<ProxyReport[]>('GET', '/v1/proxies')).body;
    await until('all leases are seen', async () => (await proxies()).length === 3);
    assert.deepEqual(
      (await proxies()).map(({ state }) => state),
      ['SYNCED', 'SYNCED', 'SYNCED'],
    );

    const { body } = await plane.call<ChangeResult>('POST', '/v1/apply', files(virtualService('a')));
    assert.deepEqual(
      (await proxies()).map(({ state }) => state),
      ['NOT SENT', 'NOT SENT', 'NOT SENT'],
    );
    const polling = plane.call<RolloutReport>('GET', `/v1/revisions/${body.revision}/rollout?timeoutMs=20000`);
    (await of('p1')).statuses.report(answer('p1', body.revision));
    (await of('p2')).statuses.report(
      answer('p2', body.revision, [{ severity: 'error', code: 'compile', message: 'no' }]),
    );
    const soon = await plane.call<RolloutReport>('GET', `/v1/revisions/${body.revision}/rollout?timeoutMs=1`);
    assert.deepEqual([soon.body.done, soon.body.missing.includes('p3')], [false, true]);
    (await of('p3')).statuses.report(answer('p3', body.revision));
    const { status, body: report } = await polling;
    assert.equal(status, 200);
    assert.deepEqual([report.expected, report.acked, report.missing, report.done], [3, 2, [], true]);
    assert.deepEqual(report.nacked, [
      { proxy: 'p2', problems: [{ severity: 'error', code: 'compile', message: 'no' }] },
    ]);
    assert.ok(report.p50Ms! > 0 && report.maxMs! >= report.p99Ms! && report.p99Ms! >= report.p50Ms!);

    await plane.call('POST', '/v1/apply', files(virtualService('b')));
    (await of('p3')).statuses.report(answer('p3', body.revision + 1));
    await until('the answer is seen', async () => (await proxies())[2].state === 'SYNCED');
    const [p1, p2] = await proxies();
    assert.deepEqual([p1.state, p1.revision, p2.state], ['STALE', 1, 'NACK']);
    assert.deepEqual([p1.id, p1.version, p1.admin, p1.shards, p1.ms], ['p1', '9', 'http://127.0.0.1:1/p1', 2, 3]);
    assert.deepEqual([p1.node, p1.endpoints, p1.lastAck], [{ id: 'p1' }, [{ id: 'p1' }], '2026-01-01T00:00:00Z']);
    await Promise.all(held.map((each) => each.withdraw()));
    await until('who withdrew is gone', async () => (await proxies()).length === 0);
  });

  it('are asked for any number of times on one connection, which keeps nothing of it', async (t) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const { url, token } = plane.control;
    const sockets = new Set<unknown>();
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    t.after(() => process.off('warning', warned));
    for (let i = 0; i < 12; i++) {
      const call = request(`${url}/v1/revisions/0/rollout`, { agent, headers: { authorization: `Bearer ${token}` } });
      call.on('socket', (socket) => sockets.add(socket));
      call.end();
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      assert.equal(response.statusCode, 200);
      response.resume();
      await once(response, 'end');
    }
    assert.equal(sockets.size, 1);
    assert.deepEqual(warnings, []);
  });

  it('are known to a control plane that starts later, with what they answered', async () => {
    const held = await (await of('early')).leases.hold(lease('early'));
    (await of('early')).statuses.report(answer('early', 2));
    const late = await plane.another();
    const { body } = await plane.call<ProxyReport[]>('GET', '/v1/proxies', undefined, { to: late });
    assert.deepEqual(
      body.map(({ id, state }) => [id, state]),
      [['early', 'SYNCED']],
    );
    const { body: report } = await plane.call<RolloutReport>('GET', '/v1/revisions/2/rollout', undefined, { to: late });
    assert.deepEqual([report.acked, report.done, report.p50Ms === null || report.p50Ms >= 0], [1, true, true]);
    await held.withdraw();
  });

  it('do not keep a control plane from closing while somebody waits for them', async () => {
    const held = await (await of('silent')).leases.hold(lease('silent'));
    const closing = await plane.another();
    const { body } = await plane.call<ChangeResult>('POST', '/v1/apply', files(virtualService('c')), { to: closing });
    const polling = plane.call<RolloutReport>(
      'GET',
      `/v1/revisions/${body.revision}/rollout?timeoutMs=60000`,
      undefined,
      {
        to: closing,
      },
    );
    // The poll has arrived when its connection is open and the server has answered another request after it.
    await plane.call('GET', '/v1/version', undefined, { to: closing });
    const [answered] = await Promise.all([polling.catch(() => null), closing.close()]);
    if (answered !== null) assert.deepEqual(answered.body.missing, ['silent']);
    await held.withdraw();
  });
});
