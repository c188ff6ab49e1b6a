// The control plane as changes of plugins want it, over its API. What it refuses becomes their error, with the fault that it is.
import type { ControlPlane } from '../../plugins/install/control-plane.ts';
import type { PluginResource } from '../../plugins/install/resource.ts';
import { type Fault, PluginError } from '../../plugins/step.ts';
import type { Api } from '../api.ts';
import { CliError, EXIT } from '../exit.ts';
import { judge, waitForProxies } from '../rollout.ts';

const FAULTS: Readonly<Record<number, Fault>> = {
  [EXIT.usage]: 'usage',
  [EXIT.refused]: 'refused',
  [EXIT.timeout]: 'timeout',
  [EXIT.unreachable]: 'unreachable',
  [EXIT.conflict]: 'conflict',
};

export function controlPlane(api: Api): ControlPlane {
  return {
    version: () => asked(api.version()),
    plugins: (which) =>
      asked(api.resources({ kind: 'Plugin', ...which })).then(({ revision, items }) => ({
        revision,
        items: items as PluginResource[],
      })),
    async write({ key, plugin, parent, message }) {
      if (plugin === null) {
        const keys = [`Plugin/${key.namespace}/${key.name}`];
        const { revision } = await asked(api.delete({ keys }, { parent, message }));
        return { revision, warnings: [] };
      }
      const file = { name: `plugin ${key.name}`, text: JSON.stringify(plugin) };
      const { revision, warnings } = await asked(api.apply([file], { parent, message }));
      return { revision, warnings: warnings.map((warning) => warning.message) };
    },
    revisions: (most) => asked(api.history(most)).then(({ items }) => items.map(({ revision }) => revision)),
    written: (revision, { namespace, name }) =>
      asked(api.commit(revision)).then(({ upserts }) => {
        const found = upserts.find(({ key }) => key === `Plugin/${namespace}/${name}`);
        return (found?.body as PluginResource | undefined) ?? null;
      }),
    putModule: (digest, bytes) => asked(api.putModule(digest, bytes)),
    module: (digest) => asked(api.module(digest)),
    modules: () => asked(api.modules()),
    settled: (revision, ms) =>
      asked(
        waitForProxies(api, revision, ms).then(async (report) => {
          await judge(report, ms);
          return report;
        }),
      ),
  };
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new PluginError(FAULTS[error.exitCode] ?? 'failed', error.message, error.problems);
  }
}
