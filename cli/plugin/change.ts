// A command that changes one installed plugin: finds it, has it changed, and prints what came of it.
import type { Changed } from '../../plugins/install/change.ts';
import type { ControlPlane } from '../../plugins/install/control-plane.ts';
import type { PluginResource } from '../../plugins/install/resource.ts';
import { proxiesOf } from '../../plugins/install/rollout.ts';
import { note, paint, print, printJson } from '../output.ts';
import type { ChangeFlags } from './options.ts';

/** `said`: in a line, for people. `work` resolves to null when there is nothing to change. Throws CliError. */
export async function change<Result extends Changed>(
  name: string,
  { namespace, json }: ChangeFlags,
  said: string | ((result: Result) => string),
  work: (mesh: ControlPlane, before: PluginResource) => Promise<Result | null>,
): Promise<void> {
  const [{ Api }, { controlPlane }, { inSteps }, { installedPlugin }] = await Promise.all([
    import('../api.ts'),
    import('./control-plane.ts'),
    import('./progress.ts'),
    import('../../plugins/install/installed.ts'),
  ]);
  const mesh = controlPlane(await Api.open());
  const key = { namespace, name };
  const changed = await inSteps(async () => work(mesh, await installedPlugin(mesh, key)), 'nothing was changed');
  if (changed === null) return;
  const { after, revision, rollout, warnings } = changed;
  for (const warning of warnings) note(`${paint('yellow', 'warning:', process.stderr)} ${warning}`);
  if (json === true) {
    const { version, digest, source, enabled, config } = after?.spec ?? {};
    printJson({ ...key, version, digest, source, enabled, config, revision, rollout, warnings });
    return;
  }
  print(typeof said === 'string' ? said : said(changed));
  if (rollout !== null) note(`revision ${revision}: ${proxiesOf(rollout)}`);
}
