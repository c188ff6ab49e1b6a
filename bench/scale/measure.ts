// What a mesh of so many proxies costs: joining, changes, standing still, and a nats-server that dies.
import { setTimeout as delay } from 'node:timers/promises';
import type { MeasuredMesh } from './mesh.ts';

export interface ScalePlan {
  readonly changes: number;
  readonly steadySeconds: number;
  /** Of simulated proxies. */
  readonly threads: number;
  say(line: string): void;
}

export interface ScaleFigures {
  readonly proxies: number;
  /** Until each runs the configuration, knows all endpoints, and has answered. */
  readonly joinSeconds: number;
  /** What that took of processor time: counts the same on a machine that has other things to do. */
  readonly joinNatsSeconds: number;
  readonly joinControlSeconds: number;
  /** Of all simulated proxies together. */
  readonly joinProxiesSeconds: number;
  /** From an apply to the answer of the last proxy, over all changes. */
  readonly lastP50Ms: number;
  readonly lastP99Ms: number;
  /** The same as who asks `mesh apply --wait` sees it, all included. */
  readonly waitP50Ms: number;
  readonly natsCpuPercent: number;
  readonly natsMiB: number;
  readonly controlCpuPercent: number;
  readonly controlMiB: number;
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** From the death of nats-server until the last is connected, and until all have answered a change made then. */
  readonly connectedAgainSeconds: number;
  readonly backSeconds: number;
}

/** Of any one step, and for each proxy. */
const PATIENCE_MS = 180_000;
const PATIENCE_MS_PER_PROXY = 200;
const SETTLE_MS = 8_000;
/** A new mesh tells all endpoints once more some 20 s after its start. */
const YOUNG_MS = 30_000;
const PAUSE_MS = 500;

/** Throws when a step does not come to its end. */
export async function measureScale(mesh: MeasuredMesh, proxies: number, plan: ScalePlan): Promise<ScaleFigures> {
  const { say } = plan;
  const started = performance.now();
  let revision = await apply(mesh, 0);
  const empty = await mesh.reading();
  const joined = performance.now();
  mesh.addProxies(proxies, plan.threads);
  const patienceMs = Math.max(PATIENCE_MS, proxies * PATIENCE_MS_PER_PROXY);
  const until = (what: string, look: () => Promise<string | null>) => become(what, patienceMs, say, look);
  await until(`${proxies} proxies have joined`, async () => {
    const { running, leastEndpoints } = await mesh.progress(revision);
    if (running < proxies || leastEndpoints < proxies) return `${running} run, the last knows ${leastEndpoints}`;
    const { acked } = await mesh.api.rollout(revision, 0);
    return acked < proxies ? `${acked} have answered` : null;
  });
  const joinSeconds = (performance.now() - joined) / 1_000;
  const full = await mesh.reading();
  say(`${proxies}: joined in ${joinSeconds.toFixed(1)} s`);

  await delay(Math.max(SETTLE_MS, started + YOUNG_MS - performance.now()));
  const before = await mesh.reading();
  await delay(plan.steadySeconds * 1_000);
  const after = await mesh.reading();
  const seconds = (after.at - before.at) / 1_000;
  const percent = (from: number, to: number) => (to - from) / 10_000 / seconds;
  say(`${proxies}: NATS ${percent(before.natsCpuMicros, after.natsCpuMicros).toFixed(1)} % at rest`);

  const lasts: number[] = [];
  const waits: number[] = [];
  for (let i = 1; i <= plan.changes; i++) {
    await delay(PAUSE_MS);
    const asked = performance.now();
    revision = await apply(mesh, i);
    const report = await mesh.api.rollout(revision, PATIENCE_MS);
    waits.push(performance.now() - asked);
    if (report.acked < proxies) throw new Error(`revision ${revision}: ${report.acked} of ${proxies} answered`);
    lasts.push(report.maxMs ?? Number.NaN);
  }
  say(`${proxies}: a change reaches the last in ${rank(lasts, 0.5).toFixed(0)} ms`);

  const killed = performance.now();
  mesh.killNats();
  await delay(200);
  await until('all are connected again', async () => {
    const { connected } = await mesh.progress(0);
    return connected < proxies ? `${connected} are` : null;
  });
  const connectedAgainSeconds = (performance.now() - killed) / 1_000;
  await until('a change reaches all again', async () => {
    revision = await apply(mesh, -1).catch(() => 0);
    return revision === 0 ? 'the control plane is not back' : null;
  });
  await until('all have answered', async () => {
    const { acked } = await mesh.api.rollout(revision, 5_000);
    return acked < proxies ? `${acked} have` : null;
  });
  const backSeconds = (performance.now() - killed) / 1_000;
  return {
    ...{ proxies, joinSeconds, connectedAgainSeconds, backSeconds },
    joinNatsSeconds: (full.natsCpuMicros - empty.natsCpuMicros) / 1e6,
    joinControlSeconds: (full.controlCpuMicros - empty.controlCpuMicros) / 1e6,
    joinProxiesSeconds: (full.ownCpuMicros - empty.ownCpuMicros) / 1e6,
    lastP50Ms: rank(lasts, 0.5),
    lastP99Ms: rank(lasts, 0.99),
    waitP50Ms: rank(waits, 0.5),
    natsCpuPercent: percent(before.natsCpuMicros, after.natsCpuMicros),
    natsMiB: after.natsMiB,
    controlCpuPercent: percent(before.controlCpuMicros, after.controlCpuMicros),
    controlMiB: after.controlMiB,
    messagesPerSecond: (after.messages - before.messages) / seconds,
    bytesPerSecond: (after.bytes - before.bytes) / seconds,
  };
}

async function apply(mesh: MeasuredMesh, change: number): Promise<number> {
  const text = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: service-0 }
spec:
  hosts: [service-0]
  http: [{ timeout: ${change + 10}s, route: [{ destination: { host: service-0 } }] }]
`;
  return (await mesh.api.apply([{ name: 'change.yaml', text }])).revision;
}

/** `look` says what is still missing. */
async function become(
  what: string,
  patienceMs: number,
  say: (line: string) => void,
  look: () => Promise<string | null>,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (let told = performance.now(); ; ) {
    const missing = await look();
    if (missing === null) return;
    const now = performance.now();
    if (now > deadline) throw new Error(`gave up waiting until ${what}: ${missing}`);
    if (now - told > 5_000) {
      say(`waiting until ${what}: ${missing}`);
      told = now;
    }
    await delay(100);
  }
}

/** Nearest rank. */
function rank(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}
