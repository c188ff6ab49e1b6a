// `mesh plugin rollback`: the code and the configuration that a plugin had before, at once: its module is still in the mesh.
import type { Command } from 'commander';
import { CliError } from '../../exit.ts';
import type { Past } from '../../plugin/history.ts';
import { type ChangeFlags, changeOptions } from '../../plugin/options.ts';

export function addRollbackCommand(group: Command): void {
  const command = group
    .command('rollback')
    .description('Give a plugin the code and configuration back that it had before')
    .argument('<name>', 'as `mesh plugin list` prints it')
    .option('--to <version>', 'or the beginning of a digest (default: what it was before its last update)');
  changeOptions(command)
    .addHelpText('after', '\nExamples:\n  $ mesh plugin rollback jwt\n  $ mesh plugin rollback jwt --to 1.2.0')
    .action(async (name: string, options: ChangeFlags & { to?: string }) => {
      const [{ Api }, { inSteps }, { changeInstalled, installedPlugin }, { pastOf }, { withSpec }, { readLockfile }] =
        await Promise.all([
          import('../../api.ts'),
          import('../../plugin/progress.ts'),
          import('../../plugin/installed.ts'),
          import('../../plugin/history.ts'),
          import('../../plugin/resource.ts'),
          import('../../../plugins/lockfile.ts'),
        ]);
      const api = await Api.open();
      const key = { namespace: options.namespace, name };
      const before = await installedPlugin(api, key);
      let found: Past | null = null;
      for await (const past of pastOf(api, key, before)) {
        if (options.to === undefined || fits(past, options.to)) {
          found = past;
          break;
        }
      }
      if (found === null) {
        const which = options.to === undefined ? 'anything else' : options.to;
        throw new CliError(`${name} was not ${which} in any revision that is kept`);
      }
      const { spec } = found.plugin;
      const stored = (await api.modules()).find(({ digest }) => digest === spec.digest);
      if (stored === undefined) throw new CliError(`the module ${spec.digest} of ${name} is not in the mesh any more`);
      // Whether it is on is not a matter of its version.
      const after = withSpec(found.plugin, { enabled: before.spec.enabled });
      const { version, digest, source = '', capabilities = [] } = spec;
      const what = version ?? digest.slice(0, 19);
      await inSteps(async () => {
        const entry = (await readLockfile(options.lockfile))[`${key.namespace}/${name}`];
        const locked = { spec: entry?.spec ?? source, source, version, digest, size: stored.size, capabilities };
        const change = { key, before, after, message: `roll plugin ${name} back to ${what}`, locked };
        await changeInstalled(api, change, options, `${name} is ${what} again, as at revision ${found.revision}`);
      }, 'nothing was changed');
    });
}

function fits({ plugin: { spec } }: Past, wanted: string): boolean {
  return (
    spec.version === wanted ||
    (wanted.length >= 6 && spec.digest.replace('sha256:', '').startsWith(wanted.replace('sha256:', '')))
  );
}
