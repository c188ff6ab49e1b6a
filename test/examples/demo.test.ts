import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const DEMO = join(import.meta.dirname, '..', '..', 'examples', 'bookinfo', 'demo.ts');

suite('npm run demo', { timeout: 220_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'mesh-demo-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  test('--check walks the tour, says what it saw at each stop, and leaves no process', async () => {
    const demo = start(home, ['--check', '--limit', '180']);
    const [code] = await once(demo.child, 'exit');
    assert.equal(code, 0, demo.said());
    assert.equal(demo.said().match(/ ok +\d+\.\d s /g)?.length, 7, demo.said());
    assert.match(demo.said(), /requests during 12 changes, 0 failed/);
    await nobodyLeft(home);
  });

  test('it writes where everything is, serves the page, and ends with Ctrl-C', async () => {
    const demo = start(home, []);
    const file = join(home, 'demo.json');
    await demo.until(/Ctrl-C stops everything/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { api, token, gateway, nats, proxies } = JSON.parse(readFileSync(file, 'utf8'));
    assert.match(nats, /^nats:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await ask(`${api}/v1/proxies`, { authorization: `Bearer ${token}` })).status, 200);
    assert.match((await ask(`${gateway}/productpage`)).body, /<title>Simple Bookstore App<\/title>/);
    const names = proxies.map(({ service, version }: Record<string, string>) => [service, version].join(' ').trim());
    assert.deepEqual(names.sort(), [
      'details v1',
      'istio-ingressgateway',
      'productpage v1',
      'ratings v1',
      'reviews v1',
      'reviews v2',
      'reviews v3',
    ]);
    for (const { name, admin, outbound, inbound, version } of proxies) {
      assert.equal((await ask(`${admin}/ready`)).body, 'LIVE\n', name);
      assert.equal(version !== '' && (outbound === null || inbound === null), false, name);
    }
    demo.child.kill('SIGINT');
    demo.child.kill('SIGINT');
    const [code] = await once(demo.child, 'exit');
    assert.equal(code, 0, demo.said());
    assert.ok(!existsSync(file));
    await nobodyLeft(home);
  });

  test('interrupted half-way it stops what it had started', async () => {
    const demo = start(home, []);
    await demo.until(/starting the gateway/);
    demo.child.kill('SIGTERM');
    await once(demo.child, 'exit');
    await nobodyLeft(home);
  });

  test('killed outright it takes everything along', async () => {
    const demo = start(home, []);
    await demo.until(/starting the gateway/);
    demo.child.kill('SIGKILL');
    await once(demo.child, 'exit');
    await nobodyLeft(home);
  });
});

function start(home: string, args: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, [DEMO, ...args], {
    env: { ...process.env, MESH_HOME: home, NODE_TEST_CONTEXT: undefined, FORCE_COLOR: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const heard = new Set<() => void>();
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      said += chunk;
      for (const check of heard) check();
    });
  }
  const until = (pattern: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = () => pattern.test(said) && resolve();
      heard.add(check);
      child.once('exit', (code) => reject(new Error(`the demo ended with ${code}:\n${said}`)));
      check();
    });
  return { child, said: () => said, until };
}

/** Every process of the demo carries its home in the environment. */
async function nobodyLeft(home: string): Promise<void> {
  if (process.platform !== 'linux') return;
  const deadline = performance.now() + 30_000;
  for (;;) {
    const left = processesOf(home);
    if (left.length === 0) return;
    assert.ok(performance.now() < deadline, `left behind: ${left.join('; ')}`);
    await delay(100);
  }
}

function processesOf(home: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const mine = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`MESH_HOME=${home}`);
        return mine ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')}`] : [];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
}

async function ask(url: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  const [response] = (await once(get(url, { headers, agent: false }), 'response')) as [IncomingMessage];
  return { status: response.statusCode!, body: await text(response) };
}
