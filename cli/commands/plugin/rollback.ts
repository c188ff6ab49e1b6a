// `mesh plugin rollback`: the code and the configuration that a plugin had before, at once: its module is still in the mesh.
import type { Command } from 'commander';
import type { RolledBack } from '../../../plugins/install/change.ts';
import { change } from '../../plugin/change.ts';
import { type ChangeFlags, changeOptions } from '../../plugin/options.ts';

export function addRollbackCommand(group: Command): void {
  const command = group
    .command('rollback')
    .description('Give a plugin the code and configuration back that it had before')
    .argument('<name>', 'as `mesh plugin list` prints it')
    .option('--to <version>', 'or the beginning of a digest (default: what it was before its last update)');
  changeOptions(command)
    .addHelpText('after', '\nExamples:\n  $ mesh plugin rollback jwt\n  $ mesh plugin rollback jwt --to 1.2.0')
    .action((name: string, options: ChangeFlags & { to?: string }) =>
      change(
        name,
        options,
        ({ to, past }: RolledBack) => `${name} is ${to} again, as at revision ${past}`,
        async (mesh, before) => {
          const { rollBackPlugin } = await import('../../../plugins/install/change.ts');
          return rollBackPlugin(mesh, before, options.to, options);
        },
      ),
    );
}
