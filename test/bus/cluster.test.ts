import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { openLink } from '../../bus/dial.ts';
import { applyCommit } from '../../bus/log/commit-format.ts';
import { natsStatus } from '../../bus/server/cluster-status.ts';
import { CONFIG_LOG, PROXY_INFO_PREFIX } from '../../bus/subjects.ts';
import type { Bus } from '../../bus/types.ts';
import { accountTokens, accountUser, publicKey } from '../../bus/users/accounts.ts';
import { fixedLogin, ProxyLogin } from '../../bus/users/login.ts';
import { NKey } from '../../bus/users/nkey.ts';
import { nodeCertificates } from '../control/authority/node-certificates.ts';
import { eventually, until } from '../until.ts';
import { startCluster, type TestCluster } from './cluster-harness.ts';
import { killInTurn, toServers } from './cluster-rounds.ts';
import { resources, watch } from './harness.ts';
import { versions } from './server/versions.ts';

const all = await versions();
const recent = all.find(({ name }) => name === '2.15.1');
if (recent === undefined)
  console.log('no cluster is tried: there is no pip to get a nats-server of 2.11 or newer with');
else {
  suite('a cluster of nats-servers', () => inCluster(recent.folder));
  test('a cluster speaks TLS to clients and between its servers', (t) => overTls(t, recent.folder));
}

async function overTls(t: TestContext, folder: () => Promise<string>): Promise<void> {
  let ca = '';
  const cluster = await startCluster(join(await folder(), 'nats-server'), 3, async (dir, address) => {
    const { roots, ...files } = await nodeCertificates(dir, address);
    ca = roots;
    return files;
  });
  t.after(() => cluster.stop());
  // Without its servers' agreement no stream gets three copies.
  const control = await cluster.control({ ca, replicas: 3 });
  await control.config.commit({ parent: 0, author: '', message: '', upserts: resources(1, 'x'), removals: [] });
  await eventually(async () => {
    const { servers, streams } = await natsStatus([cluster.urls[0]], { credentials: cluster.credentials.control, ca });
    assert.deepEqual(servers.map(({ name, trouble }) => `${name}${trouble}`).toSorted(), ['n1', 'n2', 'n3']);
    const { copies, replicas } = streams!.find(({ name }) => name === CONFIG_LOG.stream)!;
    assert.deepEqual([replicas, copies.map(({ offline }) => offline)], [3, [false, false]]);
  });
  for (const { host, routePort, lines } of cluster.nodes) {
    const stranger = connect(routePort, host).on('error', () => stranger.destroy());
    stranger.write('CONNECT {}\r\nPING\r\n');
    const refused = /TLS route handshake error: .*first record does not look like a TLS handshake/;
    await until('who speaks plain text is no server of it', () => lines.some((line) => refused.test(line)));
    stranger.destroy();
  }
  await assert.rejects(cluster.control({ waitMs: 2_000 }), /cannot connect to NATS/);
}

test('a cluster of servers that lose what was stored is refused, and they are named', async (t) => {
  const folder = await all[0].folder();
  const cluster = await startCluster(join(folder, 'nats-server'), 1);
  t.after(() => cluster.stop());
  const [{ host, port }] = cluster.nodes;
  const told = new RegExp(`${host}:${port} is nats-server 2\\.\\d+\\.\\d+ in a cluster: 2.11 or newer is needed`);
  await assert.rejects(cluster.control({ replicas: 1 }), told);
  const heard: string[] = [];
  const gaveUp = new AbortController();
  const waiting = cluster.control({
    waitMs: Number.POSITIVE_INFINITY,
    signal: gaveUp.signal,
    onConnection: (_, why) => heard.push(why),
  });
  await until('who waits is told', () => heard.some((why) => told.test(why)));
  gaveUp.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
});

/** Half of all direct gets of the log are answered by what is one off, as a copy on 2.9 was, or behind. Returns how many were. */
async function lyingCopy(t: TestContext, cluster: TestCluster): Promise<() => number> {
  const { stream } = CONFIG_LOG;
  const { keys } = cluster.credentials.control;
  const mesh = publicKey(keys.mesh);
  const [head, claims] = (await accountTokens(keys)).accounts[mesh].split('.');
  const { iat, nats, ...rest } = JSON.parse(String(Buffer.from(claims, 'base64url')));
  const signed = (mappings: object, age: number): string => {
    const body = Buffer.from(JSON.stringify({ ...rest, iat: iat + age, nats: { ...nats, mappings } }));
    const text = `${head}.${body.toString('base64url')}`;
    return `${text}.${Buffer.from(new NKey(keys.operator).sign(Buffer.from(text))).toString('base64url')}`;
  };
  const login = fixedLogin(await accountUser(keys, 'system'));
  const system = await openLink({ ...toServers(cluster, cluster.urls), login });
  const tell = (jwt: string) => system.request(`$SYS.REQ.ACCOUNT.${mesh}.CLAIMS.UPDATE`, jwt);
  const liar = await openLink(toServers(cluster, cluster.urls));
  t.after(async () => {
    await tell(signed({}, 2));
    await system.close();
    await liar.close();
  });
  let lies = 0;
  liar.nc.subscribe('lies', {
    callback: async (_error, question) => {
      const { seq = 0 } = question.json<{ seq?: number }>();
      lies++;
      const before = seq < 2 || seq % 2 === 0 ? null : await liar.leading(stream, { seq: seq - 1 });
      if (before === null) return question.respond();
      const found = before.headers!;
      found.set('Nats-Sequence', String(seq));
      found.set('Nats-Time-Stamp', new Date().toISOString());
      question.respond(before.data, { headers: found });
    },
  });
  await liar.nc.flush();
  await tell(signed({ [`$JS.API.DIRECT.GET.${stream}`]: [{ subject: 'lies', weight: 50 }] }, 1));
  return () => lies;
}

function inCluster(folder: () => Promise<string>): void {
  let cluster: TestCluster;
  let control: Bus;
  /** Again while the cluster elects: a crowded machine does that by itself. */
  const commit = (value: unknown) =>
    eventually(async () => {
      const { revision: parent } = await control.config.load();
      const upserts = resources(1, value);
      await control.config.commit({ parent, author: '', message: '', upserts, removals: [] });
    });
  before(async () => {
    cluster = await startCluster(join(await folder(), 'nats-server'));
  });
  after(() => cluster.stop());

  test('gets as many copies of each stream as are asked for, and never fewer', async () => {
    await cluster.control({ replicas: 1 });
    control = await cluster.control({ replicas: 3 });
    await cluster.control({ replicas: 1 });
    const link = await openLink(toServers(cluster, cluster.urls));
    const manager = await link.nc.jetstreamManager();
    const copies: number[] = [];
    for await (const { config } of manager.streams.list()) copies.push(config.num_replicas);
    assert.ok(copies.length >= 10);
    assert.deepEqual(new Set(copies), new Set([3]));
    await link.close();
    await assert.rejects(
      cluster.control({ replicas: 5, waitMs: 5_000 }),
      /NATS refused 5 copies of the stream WEFT_CONFIG/,
    );
  });

  test('is read from its leader where a copy says something else', async (t) => {
    for (let n = 0; n < 5; n++) await commit(n);
    const truth = await control.config.load();
    const lies = await lyingCopy(t, cluster);
    const bus = await cluster.control({ servers: [cluster.urls[0]], confirmMs: 200 });
    for (let n = 0; n < 4; n++) {
      assert.deepEqual(await bus.config.load(), truth);
      assert.equal(await bus.config.compare(truth), 'same');
      const history = await bus.config.history(100);
      assert.deepEqual(
        history.map(({ id, ...rest }: { id?: string } & (typeof history)[0]) => rest),
        await control.config.history(100),
      );
      for (const { revision, upserts } of history) assert.deepEqual((await bus.config.get(revision))?.upserts, upserts);
      const follower = await watch(bus.config, applyCommit, (await control.config.at(1))!);
      assert.deepEqual(follower.state.resources, truth.resources);
      await follower.close();
    }
    assert.ok(lies() > 10, `${lies()} answers were wrong`);
  });

  test('keeps a revoked user out of every server from its first moment', async () => {
    const identity = { namespace: 'default', serviceAccount: 'default', node: 'stolen' };
    const seed = NKey.generate('user').seed;
    const jwt = await control.users!.issue(identity, publicKey(seed));
    const enters = async (server: string) => {
      const user = { identity, seed, jwt, enrol: () => Promise.reject(new Error('no')), keep: () => {} };
      const login = new ProxyLogin(user);
      const names = { name: 'stolen', inboxPrefix: '_INBOX.default.default.stolen', infoPrefix: PROXY_INFO_PREFIX };
      const link = await openLink({ ...names, servers: [server], login, alone: true, waitMs: 10_000 }).catch(
        () => null,
      );
      await link?.close();
      return link !== null;
    };
    for (const url of cluster.urls) assert.equal(await enters(url), true);
    assert.equal(await control.users!.revoke('stolen'), 1);
    for (const url of cluster.urls) await until('it is out', async () => !(await enters(url)));
    const node = cluster.nodes[2];
    await node.kill();
    node.start();
    const lets = await openLink({ ...toServers(cluster, [node.url]), alone: true, waitMs: 60_000 });
    await lets.close();
    assert.equal(await enters(node.url), false);
  });

  test('is told of: its servers, who leads what, and whether the copies agree', async () => {
    await commit('told');
    // A copy may be behind, and a crowded machine elects by itself.
    await eventually(async () => {
      const { revision, digest } = await control.config.load();
      const told = await natsStatus([cluster.urls[1]], { credentials: cluster.credentials.control });
      const { cluster: name, servers, streams, agree } = told;
      assert.deepEqual([name, agree], ['weft', true]);
      assert.deepEqual(servers.map((server) => server.name).toSorted(), ['n1', 'n2', 'n3']);
      for (const { version, holds } of servers) assert.deepEqual([version, holds], ['2.15.1', { revision, digest }]);
      const { leader, copies, replicas } = streams!.find((stream) => stream.name === CONFIG_LOG.stream)!;
      assert.deepEqual([leader, ...copies.map(({ server }) => server)].toSorted(), ['n1', 'n2', 'n3']);
      assert.equal(replicas, 3);
    });
  });

  test('is told of also while too few servers are there to lead', async (t) => {
    const [standing, ...others] = cluster.nodes;
    const answers = (): Promise<boolean> =>
      control.config.load().then(
        () => true,
        () => false,
      );
    t.after(async () => {
      for (const node of others) if (!node.alive) node.start();
      await until('they lead again', answers, 60_000);
    });
    await until('somebody leads', answers, 60_000);
    const { revision, digest } = await control.config.load();
    await Promise.all(others.map((node) => node.kill()));
    await eventually(async () => {
      const told = await natsStatus(cluster.urls, { credentials: cluster.credentials.control });
      const { cluster: name, servers, streams } = told;
      assert.deepEqual([name, streams], ['weft', null]);
      const silent = servers.filter(({ trouble }) => trouble !== '');
      assert.deepEqual(silent.map(({ url }) => url).toSorted(), others.map(({ url }) => url).toSorted());
      const one = servers.find(({ url }) => url === standing.url)!;
      assert.deepEqual([one.name, one.version, one.trouble], ['n1', '2.15.1', '']);
      assert.ok(one.holds === null || (one.holds.revision === revision && one.holds.digest === digest));
    }, 60_000);
  });

  test('holds everywhere what was acknowledged while each of its servers was killed', {
    timeout: 120_000,
  }, async (t) => {
    await killInTurn(cluster, 1, (line) => t.diagnostic(line));
  });
}
