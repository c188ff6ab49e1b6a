import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Children } from '../../bench/children.ts';
import { h2load } from '../../bench/load/h2load.ts';
import type { Loads } from '../../bench/load/load.ts';
import { handshakeLoop, messageLoop, openLoop, patientLoop } from '../../bench/load/own.ts';
import { wrk } from '../../bench/load/wrk.ts';
import { measure, type Plan, type Results } from '../../bench/measure.ts';
import { direct } from '../../bench/peers/direct.ts';
import { nginx } from '../../bench/peers/nginx.ts';
import { replyFrom } from '../../bench/peers/reply-from.ts';
import { plot } from '../../bench/plot.ts';
import { report, reportMarkdown } from '../../bench/report.ts';
import { scenarios } from '../../bench/scenarios/all.ts';

// The figures come from /proc; elsewhere the command says so.
const skip = process.platform === 'linux' ? false : 'there is no /proc here';
const command = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));
const named = (...names: string[]): Plan['scenarios'] =>
  // A short way to what it prints: nothing here depends on how warm anything is.
  scenarios
    .filter(({ name }) => names.includes(name))
    .map((one) => (one.kind === 'load' ? { ...one, warm: 1, length: 1 } : one));

test('two rounds of two scenarios give a figure of every kind for each peer that runs', { skip }, async (t) => {
  const results = await measured(t, {
    peers: [replyFrom],
    scenarios: named('plain-get-1k', 'post-10k'),
    rounds: 2,
    seconds: 0.25,
    soakSeconds: null,
  });
  assert.deepEqual(results.missing, []);
  assert.deepEqual(Object.keys(results.scenarios), ['plain-get-1k', 'post-10k']);
  assertFigures(results, 'plain-get-1k', 'reply-from', 2);
  assertFigures(results, 'post-10k', 'reply-from', 2);
  assert.match(report(results), /^reply-from +\d+\.\d /m);
  assert.match(reportMarkdown(results), /^\| reply-from +\| +\d+\.\d /m);
  assert.match(plot(results), /^<svg [\s\S]*<\/svg>\n$/);
});

test('a process that nobody asks anything is measured for its memory and its start', { skip }, async (t) => {
  const plan = { peers: [replyFrom], scenarios: named('idle', 'start'), rounds: 1, seconds: 0.25, soakSeconds: null };
  const { scenarios: found } = await measured(t, plan);
  assert.ok(found.idle[0].rssMiB > 10);
  assert.equal(found.idle[0].requestsPerSecond, 0);
  assert.ok(found.start[0].also.readyMs > 10);
});

test("Bookinfo's page without a mesh: nothing for proxies, all for the applications", { skip }, async (t) => {
  const plan = { peers: [direct], scenarios: named('bookinfo-page'), rounds: 1, seconds: 0.25, soakSeconds: null };
  const results = await measured(t, plan);
  const [page] = results.scenarios['bookinfo-page'];
  assert.deepEqual([page.peer, page.cpuMicrosPerRequest, page.errors], ['direct', 0, 0]);
  assert.ok(page.requestsPerSecond > 0 && page.p50Ms > 0);
  const { appsCpuMicrosPerRequest, allCpuMicrosPerRequest } = page.also;
  assert.ok(appsCpuMicrosPerRequest > 0, `${appsCpuMicrosPerRequest} µs`);
  assert.equal(allCpuMicrosPerRequest, appsCpuMicrosPerRequest);
});

test('a peer that is not installed, and one that does not serve, are named with the reason', { skip }, async (t) => {
  const absent = { ...nginx, name: 'nginx', prepare: async () => 'absent is not on PATH' };
  const broken = {
    ...replyFrom,
    async start({ children }: { children: Children }) {
      const child = children.start(process.execPath, ['-e', 'throw new Error("no such option")']);
      return { origin: 'http://127.0.0.1:1', processes: [child] };
    },
  };
  const said: string[] = [];
  const plan = { peers: [absent, broken], scenarios: named('plain-get'), rounds: 1, seconds: 0.25, soakSeconds: null };
  const results = await measured(t, plan, (line) => said.push(line));
  assert.deepEqual(results.missing[0], { peer: 'nginx', reason: 'absent is not on PATH', broken: false });
  assert.equal(results.missing[1].peer, 'reply-from');
  assert.equal(results.missing[1].broken, true);
  assert.match(said.join('\n'), /no such option/);
  assert.deepEqual(results.scenarios, {});
  assert.match(report(results), /not measured: nginx \(absent is not on PATH\)/);
});

test('the command writes the figures as JSON, or says which tool it lacks', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const json = join(folder, 'figures.json');
  const args = [
    '--peers',
    'reply-from',
    '--scenario',
    'plain-get-1k',
    '--seconds',
    '1',
    '--rounds',
    '1',
    '--json',
    json,
  ];
  const { code, output } = await finished(bench(args));
  if (wrk(new Children()).missing() !== null) {
    assert.match(output, /nothing can be measured: wrk is not on PATH \(Debian: apt-get install wrk\)/);
    assert.equal(code, 1);
    return;
  }
  assert.equal(code, 0, output);
  assertFigures(JSON.parse(readFileSync(json, 'utf8')), 'plain-get-1k', 'reply-from', 1);
});

test('without a load generator the command says so, measures nothing and fails', async () => {
  const { code, output } = await finished(bench([], { PATH: '' }));
  assert.match(output, /nothing can be measured: wrk is not on PATH/);
  assert.equal(code, 1);
});

test('an unknown peer, scenario or number is refused with what there is', async () => {
  const cases: [args: string[], expected: RegExp][] = [
    [
      ['--peers', 'nginx,squid'],
      /no peer is named 'squid'; there are nginx,haproxy,caddy,nghttpx,envoy,reply-from,http-proxy,node-http2,weft,/,
    ],
    [['--scenario', 'plain'], /no scenario is named 'plain'; there are plain-get,/],
    [['--seconds', 'soon'], /--seconds is a whole number/],
    [['--soak-seconds', '1'], /--soak-seconds is a whole number from 20 on/],
    [['--sconds', '1'], /--sconds/],
  ];
  const refusals = cases.map(async ([args, expected]) => {
    const { code, output } = await finished(bench(args));
    assert.match(output, expected);
    assert.equal(code, 2);
  });
  await Promise.all(refusals);
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

test('nothing is started any more once everything is being stopped', async () => {
  const children = new Children();
  const stopped = children.stop();
  assert.throws(() => children.start('sleep', ['60']), /sleep is not started: everything is being stopped/);
  await stopped;
});

/** Measured by our own generator alone, so that the machine needs no other. */
async function measured(t: TestContext, plan: Plan, say: (line: string) => void = () => {}): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-test-'));
  const children = new Children();
  t.after(async () => {
    await children.stop();
    rmSync(folder, { recursive: true });
  });
  const patient = patientLoop(children);
  const closed = {
    ...{ wrk: patient, patient, h2load: h2load(children) },
    ...{ messages: messageLoop(children), handshakes: handshakeLoop(children) },
  };
  const loads: Loads = { closed, open: openLoop(children) };
  return measure(plan, { children, folder, loads, say });
}

function assertFigures(results: Results, scenario: string, name: string, rounds: number): void {
  const peer = results.scenarios[scenario].find((candidate) => candidate.peer === name)!;
  assert.equal(peer.rounds.length, rounds);
  assert.equal(peer.errors, 0);
  for (const figure of ['cpuMicrosPerRequest', 'requestsPerSecond', 'p50Ms', 'p99Ms', 'rssMiB'] as const) {
    assert.ok(Number.isFinite(peer[figure]) && peer[figure] > 0, `${figure} is ${peer[figure]}`);
  }
  assert.ok(peer.p50Ms <= peer.p90Ms && peer.p90Ms <= peer.p99Ms && peer.p99Ms <= peer.p999Ms);
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
