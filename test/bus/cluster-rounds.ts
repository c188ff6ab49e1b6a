// Writers and control planes on a cluster whose nodes are killed one after the other. What was acknowledged must be what every copy
// holds in the end, and what everybody knows.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { openLink } from '../../bus/dial.ts';
import { digestOf } from '../../bus/digest.ts';
import { fromDirectGet } from '../../bus/stored-message.ts';
import { CONFIG_LOG, INFO_PREFIX, inboxPrefix } from '../../bus/subjects.ts';
import { type Bus, BusUnavailableError, ConflictError } from '../../bus/types.ts';
import { fixedLogin } from '../../bus/users/login.ts';
import { Store } from '../../control/store.ts';
import { until } from '../until.ts';
import type { TestCluster, TestNode } from './cluster-harness.ts';

const SLOW_MS = 60_000;
const WRITE_MS = 20;

/** Revision -> what was acknowledged as it. */
type Acknowledged = Map<number, { readonly key: string; readonly value: number }>;

/** Kills the leader of the log, then each node in turn, `rounds` times. Throws an AssertionError for what is not as it should be. */
export async function killInTurn(cluster: TestCluster, rounds: number, told: (line: string) => void): Promise<void> {
  const stop = new AbortController();
  const acknowledged: Acknowledged = new Map();
  const buses = await Promise.all([cluster.control(), cluster.control()]);
  const stores = await Promise.all(buses.map((bus) => Store.open(bus)));
  const writing = buses.map((bus, n) => write(bus, `Thing/default/w${n}`, acknowledged, stop.signal));
  // A writer that fails is told of at once.
  const failed = Promise.all(writing).then(() => new Promise<never>(() => {}));
  const kills = async () => {
    for (let round = 0; round < rounds; round++) {
      const leader = await leaderOf(cluster);
      for (const node of [leader, ...cluster.nodes.filter((each) => each !== leader)]) {
        await progress(acknowledged);
        await node.kill();
        const began = performance.now();
        await progress(acknowledged);
        const ms = Math.round(performance.now() - began);
        told(`${node.name} killed${node === leader ? ', which led' : ''}: the next change after ${ms} ms`);
        node.start();
        await current(cluster, node);
      }
    }
  };
  await Promise.race([kills(), failed]);
  stop.abort();
  await Promise.all(writing);

  const state = await buses[0].config.load();
  told(`${acknowledged.size} acknowledged, revision ${state.revision}`);
  for (const [n, bus] of buses.entries()) {
    const values = [...acknowledged.values()].filter(({ key }) => key === `Thing/default/w${n}`);
    assert.deepEqual(state.resources.get(`Thing/default/w${n}`), { value: values.at(-1)!.value }, `writer ${n}`);
    await until('its control plane knows the newest', () => stores[n].state.revision === state.revision, SLOW_MS);
    assert.deepEqual(known(stores[n].state), known(state));
    assert.deepEqual(known(await bus.config.load()), known(state));
  }
  const copies = await Promise.all(cluster.nodes.map((node) => readCopy(cluster, node, state.revision)));
  for (const [n, copy] of copies.entries()) {
    assert.deepEqual(copy, copies[0], `${cluster.nodes[n].name} has what ${cluster.nodes[0].name} has`);
  }
  assert.equal(copies[0].at(-1)!.digest, state.digest);
  for (const [revision, { key, value }] of acknowledged) {
    const { change } = JSON.parse(copies[0][revision - 1].text) as { change: { upserts: unknown[] } };
    assert.deepEqual(change.upserts, [{ key, body: { value } }], `revision ${revision}`);
  }
  for (const store of stores) await store.close();
}

/** One value after the other, as a user does who is told to try again. */
async function write(bus: Bus, key: string, acknowledged: Acknowledged, signal: AbortSignal): Promise<void> {
  for (let value = 0; !signal.aborted; ) {
    try {
      const { revision: parent, resources } = await bus.config.load();
      // An unanswered commit may have been made: look before doing it again.
      if ((resources.get(key) as { value: number } | undefined)?.value === value) value++;
      const upserts = [{ key, body: { value } }];
      const { revision } = await bus.config.commit({ parent, author: '', message: '', upserts, removals: [] });
      assert.equal(acknowledged.has(revision), false, `revision ${revision} was acknowledged twice`);
      acknowledged.set(revision, { key, value });
      value++;
    } catch (error) {
      if (!(error instanceof BusUnavailableError || error instanceof ConflictError)) throw error;
    }
    await delay(WRITE_MS);
  }
}

function progress(acknowledged: Acknowledged): Promise<void> {
  const { size } = acknowledged;
  return until('changes go on', () => acknowledged.size > size + 2, SLOW_MS);
}

async function leaderOf(cluster: TestCluster): Promise<TestNode> {
  let name = '';
  const leads = async () => {
    name = (await clusterOf(cluster)).leader ?? '';
    return name !== '';
  };
  await until('somebody leads', leads, SLOW_MS);
  return cluster.nodes.find((node) => node.name === name)!;
}

/** Resolves when the node holds what the others do, so that the next one may die. */
function current(cluster: TestCluster, node: TestNode): Promise<void> {
  const isCurrent = async () => {
    const { leader, replicas = [] } = await clusterOf(cluster);
    const others = replicas.filter(({ current: is, offline }) => is && offline !== true);
    return leader !== undefined && others.length === cluster.nodes.length - 1;
  };
  return until(`${node.name} is current`, isCurrent, SLOW_MS);
}

interface ClusterInfo {
  readonly leader?: string;
  readonly replicas?: readonly { readonly name: string; readonly current: boolean; readonly offline?: boolean }[];
}

async function clusterOf(cluster: TestCluster): Promise<ClusterInfo> {
  const link = await openLink({ ...toServers(cluster, cluster.urls), waitMs: SLOW_MS });
  try {
    const info = await link.request(`${INFO_PREFIX}.${CONFIG_LOG.stream}`, '', undefined, 1_000);
    return info.json<{ cluster?: ClusterInfo }>().cluster ?? {};
  } catch (error) {
    if (!(error instanceof BusUnavailableError)) throw error;
    return {};
  } finally {
    await link.close();
  }
}

interface Copied {
  readonly digest: string;
  readonly text: string;
}

/** What this node itself has, once it has the newest. */
async function readCopy(cluster: TestCluster, node: TestNode, last: number): Promise<Copied[]> {
  const link = await openLink({ ...toServers(cluster, [node.url]), alone: true, waitMs: SLOW_MS });
  const { stream } = CONFIG_LOG;
  const get = async (seq: number) =>
    fromDirectGet(await link.request(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify({ seq })), stream);
  try {
    await until(`${node.name} has the newest`, async () => (await get(last)) !== null, SLOW_MS);
    const copied: Copied[] = [];
    for (let seq = 1; seq <= last; seq++) {
      const message = await get(seq);
      assert.ok(message !== null, `${node.name} has revision ${seq}`);
      copied.push({ digest: digestOf(message.data), text: Buffer.from(message.data).toString() });
    }
    return copied;
  } finally {
    await link.close();
  }
}

export function toServers({ credentials }: TestCluster, servers: readonly string[]) {
  const login = fixedLogin(credentials.control);
  return { servers, login, name: 'look', inboxPrefix: inboxPrefix(), infoPrefix: INFO_PREFIX, waitMs: 10_000 };
}

/** How much of what was before is known depends on where one began. */
function known<T>(state: T): T & { readonly ancestors: [] } {
  return { ...state, ancestors: [] };
}
