// `mesh plugin uninstall`: out of the chains, out of the mesh, out of the lockfile. The module goes when no revision needs it.
import type { Command } from 'commander';
import { change } from '../../plugin/change.ts';
import { type ChangeFlags, changeOptions } from '../../plugin/options.ts';

export function addUninstallCommand(group: Command): void {
  const command = group
    .command('uninstall')
    .description('Remove a plugin from the mesh and from the lockfile')
    .argument('<name>', 'as `mesh plugin list` prints it');
  changeOptions(command)
    .addHelpText('after', '\nExamples:\n  $ mesh plugin uninstall jwt')
    .action((name: string, options: ChangeFlags) =>
      change(name, options, `${name} uninstalled`, async (mesh, before) => {
        const { uninstallPlugin } = await import('../../../plugins/install/change.ts');
        return uninstallPlugin(mesh, before, options);
      }),
    );
}
