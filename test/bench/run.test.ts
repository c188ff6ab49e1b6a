import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Children } from '../../bench/children.ts';
import type { Load } from '../../bench/load/load.ts';
import { wrk } from '../../bench/load/wrk.ts';
import { measure, type Results } from '../../bench/measure.ts';
import { nginx } from '../../bench/peers/nginx.ts';
import { replyFrom } from '../../bench/peers/reply-from.ts';
import { report } from '../../bench/report.ts';
import { plainGet } from '../../bench/scenarios/plain-get.ts';
import { post10k } from '../../bench/scenarios/post-10k.ts';

// The figures come from /proc; elsewhere the command says so.
const skip = process.platform === 'linux' ? false : 'there is no /proc here';
const command = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));

test('two rounds of two scenarios give a figure of every kind for each peer that runs', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-test-'));
  const children = new Children();
  t.after(async () => {
    await children.stop();
    rmSync(folder, { recursive: true });
  });
  const order: string[] = [];
  const results = await measure(
    { peers: [replyFrom], scenarios: [plainGet, post10k], rounds: 2, seconds: 1 },
    { children, folder, load: fetches(order), say: () => {} },
  );
  assert.deepEqual(results.missing, []);
  assert.deepEqual(Object.keys(results.scenarios), ['plain-get', 'post-10k']);
  assertFigures(results, 'plain-get', 'reply-from', 2);
  assertFigures(results, 'post-10k', 'reply-from', 2);
  // One warm-up and two rounds each.
  assert.deepEqual(order, ['GET', 'GET', 'GET', 'POST', 'POST', 'POST']);
  assert.match(report(results), /^reply-from +\d+\.\d /m);
});

test('a peer that is not installed, and one that does not serve, are named with the reason', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-test-'));
  const children = new Children();
  t.after(async () => {
    await children.stop();
    rmSync(folder, { recursive: true });
  });
  const absent = { ...nginx, name: 'absent', missing: () => 'absent is not on PATH' };
  const broken = {
    ...replyFrom,
    name: 'broken',
    async start() {
      const child = children.start(process.execPath, ['-e', 'throw new Error("no such option")']);
      return { origin: 'http://127.0.0.1:1', process: child };
    },
  };
  const said: string[] = [];
  const results = await measure(
    { peers: [absent, broken], scenarios: [plainGet], rounds: 1, seconds: 1 },
    { children, folder, load: fetches([]), say: (line) => said.push(line) },
  );
  assert.deepEqual(results.missing[0], { peer: 'absent', reason: 'absent is not on PATH', broken: false });
  assert.equal(results.missing[1].broken, true);
  assert.match(results.missing[1].reason, /no such option/);
  assert.equal(said.length, 2);
  assert.deepEqual(results.scenarios, {});
  assert.match(report(results), /not measured: absent \(absent is not on PATH\)/);
});

test('the command writes the figures as JSON, or says which tool it lacks', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const json = join(folder, 'figures.json');
  const args = ['--peers', 'reply-from', '--scenario', 'plain-get', '--seconds', '1', '--rounds', '2', '--json', json];
  const { code, output } = await finished(bench(args));
  if (wrk(new Children()).missing() !== null) {
    assert.match(output, /nothing can be measured: wrk is not on PATH \(Debian: apt-get install wrk\)/);
    assert.equal(code, 1);
    return;
  }
  assert.equal(code, 0, output);
  assertFigures(JSON.parse(readFileSync(json, 'utf8')), 'plain-get', 'reply-from', 2);
});

test('without a load generator the command says so, measures nothing and fails', async () => {
  const { code, output } = await finished(bench([], { PATH: '' }));
  assert.match(output, /nothing can be measured: wrk is not on PATH/);
  assert.equal(code, 1);
});

test('an unknown peer, scenario or number is refused with what there is', async () => {
  const cases: [args: string[], expected: RegExp][] = [
    [['--peers', 'nginx,squid'], /no peer is named 'squid'; there are nginx,reply-from,weft/],
    [['--scenario', 'plain'], /no scenario is named 'plain'; there are plain-get,/],
    [['--seconds', 'soon'], /--seconds is a whole number/],
    [['--sconds', '1'], /--sconds/],
  ];
  for (const [args, expected] of cases) {
    const { code, output } = await finished(bench(args));
    assert.match(output, expected);
    assert.equal(code, 2);
  }
});

test('stopped in the middle of a run, the command leaves no process behind', async () => {
  const child = bench(['--peers', 'nginx,reply-from', '--scenario', 'plain-get', '--seconds', '60']);
  const ended = finished(child);
  if (wrk(new Children()).missing() !== null) {
    assert.match((await ended).output, /nothing can be measured: wrk is not on PATH/);
    return;
  }
  for (let said = ''; !said.includes('plain-get:'); ) said += (await once(child.stderr!, 'data'))[0];
  child.kill('SIGTERM');
  assert.equal((await ended).code, 130);
  // The command led a process group, and nobody has left it.
  assert.throws(() => process.kill(-child.pid!, 0), { code: 'ESRCH' });
});

/** A load of the test's own: a few requests, one after the other. */
function fetches(order: string[]): Load {
  return {
    name: 'fetch',
    missing: () => null,
    version: () => process.version,
    async run(origin, { method, requestBodyBytes, responseBodyBytes }) {
      order.push(method);
      const body = method === 'POST' ? 'x'.repeat(requestBodyBytes) : undefined;
      const started = performance.now();
      for (let i = 0; i < 50; i++) {
        const response = await fetch(`${origin}/${responseBodyBytes}`, { method, body });
        assert.equal(response.status, 200);
        assert.equal((await response.arrayBuffer()).byteLength, responseBodyBytes);
      }
      const ms = performance.now() - started;
      return { requests: 50, seconds: ms / 1000, p50Ms: ms / 50, p99Ms: ms / 50, errors: 0 };
    },
  };
}

function assertFigures(results: Results, scenario: string, name: string, rounds: number): void {
  const peer = results.scenarios[scenario].find((candidate) => candidate.peer === name)!;
  assert.equal(peer.rounds.length, rounds);
  assert.equal(peer.errors, 0);
  for (const figure of ['cpuMicrosPerRequest', 'requestsPerSecond', 'p50Ms', 'p99Ms', 'rssMiB'] as const) {
    assert.ok(Number.isFinite(peer[figure]) && peer[figure] >= 0, `${figure} is ${peer[figure]}`);
  }
  assert.ok(peer.requestsPerSecond > 0 && peer.rssMiB > 1);
  assert.ok(results.machine.cores > 0);
}

function bench(args: string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [command, ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
}

async function finished(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  const [code] = await once(child, 'close');
  return { code, output };
}
