import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { type Resource, resourceKey } from '../../../core/config/resource.ts';
import { Configuration, type Proposal } from '../../../core/main/configuration.ts';
import type { EndpointUpdate, ToShard } from '../../../core/shard/protocol.ts';
import type { Applied, Shards } from '../../../core/threads/shards.ts';
import type { Served } from '../../../core/workload.ts';
import { GATEWAY, lines, reverseProxy, virtualService } from './harness.ts';

type ConfigMessage = ToShard & { type: 'config' };
type ResourcesMessage = ToShard & { type: 'resources' };

const OK: Applied = { ok: true, problems: [] };
const BROKEN: Applied = { ok: false, problems: [{ severity: 'error', code: 'compile', message: 'broken' }] };
const REFUSED: Applied = { ok: false, problems: [{ severity: 'error', code: 'listener', message: 'snatched' }] };

suite('the configuration of a proxy', () => {
  test('what one shard refuses is taken back from the others, whole', async () => {
    const { configuration, sent, answers, adopted } = made();
    await configuration.propose(proposal(1, reverseProxy(9)));
    answers.push([OK, REFUSED]);
    const outcome = await configuration.propose(proposal(2, virtualService('/x')));
    assert.equal(outcome.ok, false);
    assert.deepEqual(
      outcome.problems.map(({ message }) => message),
      ['snatched'],
    );
    const last = sent.at(-1)!;
    assert.deepEqual([last.update.revision, last.update.full, last.update.upserts.length], [1, true, 3]);
    assert.equal(configuration.running?.revision, 1);
    assert.equal(configuration.rejected, 1);
    assert.deepEqual(adopted, [1]);
  });

  test('what every shard refuses, nobody has to take back', async () => {
    const { configuration, sent, answers } = made();
    answers.push([BROKEN, BROKEN]);
    assert.equal((await configuration.propose(proposal(1, reverseProxy(9)))).ok, false);
    assert.equal(sent.length, 1);
    assert.equal(configuration.running, null);
    assert.deepEqual(configuration.refusal, 'broken');
  });

  test('what no shard could open the listeners of is taken back from all of them', async () => {
    const { configuration, sent, answers } = made();
    await configuration.propose(proposal(1, reverseProxy(9)));
    answers.push([REFUSED, REFUSED]);
    assert.equal((await configuration.propose(proposal(2, virtualService('/x')))).ok, false);
    const { update } = sent.at(-1)!;
    assert.deepEqual([sent.length, update.revision, update.full], [3, 1, true]);
  });

  test('a configuration that no shard survives is refused', async () => {
    const { configuration, answers } = made();
    answers.push([]);
    const { ok, problems } = await configuration.propose(proposal(1, reverseProxy(9)));
    assert.equal(ok, false);
    assert.match(problems[0].message, /no shard survived revision 1/);
  });

  test('with an error of its own it reaches no shard; with warnings it does, and they are told', async () => {
    const { configuration, sent } = made();
    const bad = { ...proposal(1, ''), problems: [{ severity: 'error', code: 'x', message: 'bad' } as const] };
    assert.equal((await configuration.propose(bad)).ok, false);
    assert.equal(sent.length, 0);
    const odd = { ...proposal(1, ''), problems: [{ severity: 'warning', code: 'x', message: 'odd' } as const] };
    assert.deepEqual((await configuration.propose(odd)).problems, odd.problems);
    assert.equal(sent.length, 1);
  });

  test('shards are told only what changed, and the same problem of each is told once', async () => {
    const { configuration, sent, answers } = made();
    const first = proposal(1, reverseProxy(9));
    await configuration.propose(first);
    const warning = { severity: 'warning', code: 'reference', message: 'no such host' } as const;
    answers.push([
      { ok: true, problems: [warning] },
      { ok: true, problems: [warning] },
    ]);
    const resources = new Map(first.resources);
    resources.delete('ServiceEntry/default/upstream');
    for (const [key, resource] of proposal(2, virtualService('/x')).resources) resources.set(key, resource);
    const { problems } = await configuration.propose({ revision: 2, resources, problems: [] });
    assert.deepEqual(problems, [warning]);
    const { update } = sent[1];
    assert.equal(update.full, false);
    assert.deepEqual(update.upserts.map(resourceKey), ['VirtualService/default/everything']);
    assert.deepEqual(update.removals, ['ServiceEntry/default/upstream']);
  });

  test('a Gateway that goes and comes back finds its port again', async () => {
    const { configuration } = made();
    await configuration.propose(proposal(1, reverseProxy(9)));
    const port = configuration.listeners[0].port;
    await configuration.propose(proposal(2, ''));
    assert.equal(configuration.listeners.length, 0);
    await configuration.propose(proposal(3, reverseProxy(9)));
    assert.equal(configuration.listeners[0].port, port);
  });

  test('proposals are taken one after the other, in order', async () => {
    const { configuration, sent } = made();
    await Promise.all([1, 2, 3].map((revision) => configuration.propose(proposal(revision, virtualService('/')))));
    assert.deepEqual(
      sent.map(({ update }) => update.revision),
      [1, 2, 3],
    );
  });

  test('threads for slow filters serve before a shard hears of these', async () => {
    const begun = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { configuration, sent } = made(() => {
      asked.resolve();
      return begun.promise;
    });
    const outcome = configuration.propose(proposal(1, virtualService('/')));
    await asked.promise;
    assert.deepEqual(sent, []);
    begun.resolve();
    assert.equal((await outcome).ok, true);
    assert.equal(sent.length, 1);
  });

  test('a newborn shard is greeted with endpoints first, then everything that runs', async () => {
    const { configuration } = made();
    assert.deepEqual(configuration.greeting(), []);
    configuration.changeEndpoints({ upserts: [['a', { endpoints: [], admin: '127.0.0.1:9' }]], removals: [] });
    await configuration.propose(proposal(7, reverseProxy(9)));
    const [endpoints, config] = configuration.greeting();
    assert.equal(endpoints.type, 'endpoints');
    assert.ok(config.type === 'config' && config.update.full && config.update.revision === 7);
  });
});

test('shards are told of endpoints that are otherwise than before, and of no others', async () => {
  const { configuration, posted } = made();
  await configuration.propose(proposal(1, ''));
  const who = (port: number): Served => ({ endpoints: [], admin: `127.0.0.1:${port}` });
  configuration.changeEndpoints({
    upserts: [
      ['a', who(1)],
      ['b', who(2)],
    ],
    removals: [],
  });
  configuration.changeEndpoints({
    upserts: [
      ['a', who(1)],
      ['b', who(3)],
    ],
    removals: ['nobody'],
  });
  configuration.changeEndpoints(
    {
      upserts: [
        ['b', who(3)],
        ['c', who(4)],
      ],
      removals: [],
    },
    true,
  );
  configuration.changeEndpoints({ upserts: [['c', who(4)]], removals: [] });
  assert.deepEqual(posted, [
    {
      upserts: [
        ['a', who(1)],
        ['b', who(2)],
      ],
      removals: [],
    },
    { upserts: [['b', who(3)]], removals: [] },
    { upserts: [['c', who(4)]], removals: ['a'] },
  ]);
});

test('what is much is told in parts, each of which is read in a moment', async () => {
  const { configuration, posted, sent, parts } = made();
  const all = Array.from(
    { length: 1_000 },
    (_, i) => [`w${i}`, { endpoints: [], admin: `127.0.0.1:${i + 1}` }] as const,
  );
  configuration.changeEndpoints({ upserts: all, removals: [] });
  const text = (i: number): string => virtualService('/').replace('everything', `rule-${i}`);
  const { resources } = proposal(1, Array.from({ length: 500 }, (_, i) => text(i)).join('\n---\n'));
  assert.equal(resources.size, 500);
  assert.equal(posted.length, 0, 'without a configuration nobody asks');
  await configuration.propose({ revision: 1, resources, problems: [] });
  assert.deepEqual(
    posted.flatMap(({ upserts }) => upserts),
    all,
  );
  assert.ok(posted.every(({ upserts }) => upserts.length <= 200));
  const told = [...parts.flatMap(({ upserts }) => upserts), ...sent[0].update.upserts];
  assert.deepEqual(told, [...resources.values()]);
  assert.ok(parts.every(({ upserts }) => upserts.length <= 200) && sent[0].update.upserts.length <= 200);
  const greeting = configuration.greeting();
  assert.deepEqual([...new Set(greeting.map(({ type }) => type))], ['endpoints', 'resources', 'config']);
});

/** Two shards that accept everything, unless the next of `answers` says otherwise. `begin`: the threads for slow filters; null: nothing asks for them. */
function made(begin: (() => Promise<void>) | null = null) {
  const sent: ConfigMessage[] = [];
  const answers: Applied[][] = [];
  const posted: EndpointUpdate[] = [];
  const parts: ResourcesMessage[] = [];
  const adopted: (number | undefined)[] = [];
  const shards = {
    born: 2,
    post(message: ToShard) {
      if (message.type === 'endpoints') posted.push(message.update);
    },
    async configure(message: ConfigMessage, before: readonly ResourcesMessage[]) {
      sent.push(message);
      parts.push(...before);
      return answers.shift() ?? [OK, OK];
    },
    async greetAgain() {},
  };
  const configuration: Configuration = new Configuration(
    {
      node: GATEWAY,
      fixed: [],
      gatewayAddress: '127.0.0.1',
      gatewayPorts: { 8080: 0 },
      log: lines().log,
      plugins: {
        modules: [],
        prepare: async () => ({ modules: [], problems: [], missing: [], isolated: begin !== null }),
        adopted: async () => {},
      },
      credentials: { prepare: async () => [] },
      filterThreads: { start: begin ?? (() => assert.fail('nothing is to run there')) },
      onAdopted: () => adopted.push(configuration.running?.revision),
    },
    () => shards as unknown as Shards,
  );
  return { configuration, sent, answers, posted, parts, adopted };
}

function proposal(revision: number, yaml: string): Proposal {
  const resources = new Map<string, Resource>();
  for (const resource of decodeYaml(yaml).resources) resources.set(resourceKey(resource), resource);
  return { revision, resources, problems: [] };
}
