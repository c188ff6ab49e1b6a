// `mesh plugin uninstall`: out of the chains, out of the mesh, out of the lockfile. The module goes when no revision needs it.
import type { Command } from 'commander';
import { type ChangeFlags, changeOptions } from '../../plugin/options.ts';

export function addUninstallCommand(group: Command): void {
  const command = group
    .command('uninstall')
    .description('Remove a plugin from the mesh and from the lockfile')
    .argument('<name>', 'as `mesh plugin list` prints it');
  changeOptions(command)
    .addHelpText('after', '\nExamples:\n  $ mesh plugin uninstall jwt')
    .action(async (name: string, options: ChangeFlags) => {
      const [{ Api }, { inSteps }, { changeInstalled, installedPlugin }] = await Promise.all([
        import('../../api.ts'),
        import('../../plugin/progress.ts'),
        import('../../plugin/installed.ts'),
      ]);
      const api = await Api.open();
      const key = { namespace: options.namespace, name };
      const before = await installedPlugin(api, key);
      const change = { key, before, after: null, message: `uninstall plugin ${name}`, locked: null };
      await inSteps(() => changeInstalled(api, change, options, `${name} uninstalled`), 'nothing was changed');
    });
}
