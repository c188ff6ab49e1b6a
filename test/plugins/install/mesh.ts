// A real control plane on a real bus, asked over HTTP by a program that is not `mesh`, and proxies that answer for what they
// hear: by running it, by refusing it, or not at all.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Commit, ObjectStore } from '../../../bus/types.ts';
import type { ChangeResult } from '../../../control/answers.ts';
import type { StoredModule } from '../../../control/modules.ts';
import type { RolloutReport } from '../../../control/rollout.ts';
import type { Problem } from '../../../core/config/resource.ts';
import type { ControlPlane } from '../../../plugins/install/control-plane.ts';
import type { InstallOptions } from '../../../plugins/install/install.ts';
import type { PluginResource } from '../../../plugins/install/resource.ts';
import type { FindOptions } from '../../../plugins/source/find.ts';
import { type Fault, PluginError, type Step } from '../../../plugins/step.ts';
import { type ErrorBody, type Plane, startDataPlane } from '../../control/harness.ts';
import { until } from '../../until.ts';

export interface InstallerMesh {
  readonly mesh: ControlPlane;
  readonly plane: Plane;
  /** For packages and the lockfile. */
  readonly folder: string;
  readonly lockfile: string;
  /** How each proxy answers from now on; all run what they hear at first. */
  readonly answers: Map<string, 'runs' | 'refuses' | 'is silent'>;
  /** What was told since the last `options`. */
  readonly told: (readonly [Step, string])[];
  /** Waits, keeps the lockfile, agrees to everything; whatever is given goes first. */
  options(more?: Partial<Options>): Options;
  /** The plugin as the mesh has it, the lockfile as it is on disk ('' without one), and how many modules are stored. */
  everything(name: string): Promise<readonly [PluginResource | undefined, string, number]>;
  stop(): Promise<void>;
}

type Options = InstallOptions & FindOptions;

const FAULTS: Readonly<Record<number, Fault>> = { 400: 'usage', 409: 'conflict', 422: 'refused', 503: 'unreachable' };
export const NAMESPACE = 'istio-system';

/** Whoever starts it registers `stop` to run afterwards. */
export async function startInstallerMesh(): Promise<InstallerMesh> {
  const plane = await startDataPlane();
  const folder = await mkdtemp(join(tmpdir(), 'weft-install-'));
  const lockfile = join(folder, 'mesh-plugins.lock');
  const { objects } = await plane.mesh.open('control');
  const mesh = controlPlaneOf(plane, objects);
  const answers: InstallerMesh['answers'] = new Map();
  const told: [Step, string][] = [];
  for (const proxy of ['p1', 'p2']) await startProxy(plane, proxy, answers);
  await until(
    'both proxies are known',
    async () => (await plane.call<unknown[]>('GET', '/v1/proxies')).body.length === 2,
  );
  return {
    mesh,
    plane,
    folder,
    lockfile,
    answers,
    told,
    options(more) {
      told.length = 0;
      return {
        ...{ namespace: NAMESPACE, wishes: {}, allow: [], lockfile, wait: true, timeout: 20_000, folder },
        policy: { mode: 'off', sources: [] },
        tell: (step, what) => told.push([step, what]),
        agree: async () => null,
        ...more,
      };
    },
    async everything(name) {
      const { items } = await mesh.plugins({ namespace: NAMESPACE, name });
      const lock = await readFile(lockfile, 'utf8').catch(() => '');
      return [items[0], lock, (await mesh.modules()).length];
    },
    async stop() {
      await plane.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startProxy(plane: Plane, proxy: string, answers: InstallerMesh['answers']): Promise<void> {
  const bus = await plane.mesh.open('proxy', { node: proxy });
  const hears = ({ revision }: { readonly revision: number }): void => {
    const answer = answers.get(proxy) ?? 'runs';
    if (answer === 'is silent') return;
    const problems: Problem[] =
      answer === 'runs' ? [] : [{ severity: 'error', code: 'plugin', message: 'it does not start here' }];
    bus.statuses.report({
      ...{ proxy, revision, ok: problems.length === 0, problems },
      ...{ shards: 1, ms: 1, time: '2026-01-01T00:00:00Z' },
    });
  };
  await bus.leases.hold({
    ...{ proxy, ttlMs: 60_000, node: { id: proxy }, endpoints: [] },
    ...{ admin: '', version: '1', startedAt: '' },
  });
  await bus.config.follow(null, { commit: hears, state: hears });
}

function controlPlaneOf(plane: Plane, objects: ObjectStore): ControlPlane {
  const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const bytes = body instanceof Uint8Array ? { headers: { 'content-type': 'application/wasm' } } : undefined;
    const reply = await plane.call<T & ErrorBody>(method, path, body, bytes);
    if (reply.status < 300) return reply.body;
    throw new PluginError(FAULTS[reply.status] ?? 'failed', reply.body.error, reply.body.problems);
  };
  return {
    version: () => ask('GET', '/v1/version'),
    plugins: ({ namespace, name }) =>
      ask(
        'GET',
        `/v1/resources?${new URLSearchParams({ kind: 'Plugin', ...(namespace && { namespace }), ...(name && { name }) })}`,
      ),
    async write({ key, plugin, parent, message }) {
      const query = new URLSearchParams({ parent: String(parent), message });
      const { revision, warnings } =
        plugin === null
          ? await ask<ChangeResult>('POST', `/v1/delete?${query}`, { keys: [`Plugin/${key.namespace}/${key.name}`] })
          : await ask<ChangeResult>('POST', `/v1/apply?${query}`, {
              files: [{ name: key.name, text: JSON.stringify(plugin) }],
            });
      return { revision, warnings: warnings.map((warning) => warning.message) };
    },
    async revisions(most) {
      const { items } = await ask<{ items: { revision: number }[] }>('GET', `/v1/revisions?limit=${most}`);
      return items.map(({ revision }) => revision);
    },
    async written(revision, { namespace, name }) {
      const { upserts } = await ask<Commit>('GET', `/v1/revisions/${revision}`);
      const found = upserts.find(({ key }) => key === `Plugin/${namespace}/${name}`);
      return (found?.body as PluginResource | undefined) ?? null;
    },
    putModule: (digest, bytes) => ask('PUT', `/v1/modules/${digest}`, bytes),
    module: (digest) => objects.get(digest),
    modules: () => ask<StoredModule[]>('GET', '/v1/modules'),
    async settled(revision, ms) {
      const report = await ask<RolloutReport>('GET', `/v1/revisions/${revision}/rollout?timeoutMs=${ms}`);
      const [refusal] = report.nacked;
      if (refusal !== undefined) {
        throw new PluginError('refused', `${refusal.proxy} refused it`, refusal.problems as Problem[]);
      }
      if (report.missing.length > 0) throw new PluginError('timeout', `${report.missing} did not answer`);
      return report;
    },
  };
}
