// `mesh plugin update`: what the plugin's range, or another one, stands for today; the same transaction as an installation.
import type { Command } from 'commander';
import { CliError, EXIT } from '../../exit.ts';
import { print, printJson } from '../../output.ts';
import {
  type ChangeFlags,
  changeOptions,
  list,
  type TrustFlags,
  trustOptions,
  trustPolicy,
} from '../../plugin/options.ts';

interface Options extends ChangeFlags, TrustFlags {
  readonly allow: readonly string[];
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export function addUpdateCommand(group: Command): void {
  const command = group
    .command('update')
    .description('Bring plugins to the newest version that their range allows; configuration and selectors stay')
    .argument('[names...]', 'as `mesh plugin list` prints them, with @range for another one; all without any')
    .option('--dry-run', 'fetch, verify and tell, change nothing')
    .option('--allow <names>', 'capabilities that a new version may have; repeatable', list, []);
  changeOptions(trustOptions(command), 'ask nothing')
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh plugin update\n  $ mesh plugin update jwt@^2 --allow http_call\n  $ mesh plugin update --dry-run',
    )
    .action(async (names: readonly string[], options: Options) => {
      const [{ Api }, { controlPlane }, { agreement }, { inSteps, tell }] = await Promise.all([
        import('../../api.ts'),
        import('../../plugin/control-plane.ts'),
        import('../../plugin/agree.ts'),
        import('../../plugin/progress.ts'),
      ]);
      const [{ updatePlugin }, { installedPlugin, installedPlugins }, { label }, { readLockfile }] = await Promise.all([
        import('../../../plugins/install/update.ts'),
        import('../../../plugins/install/installed.ts'),
        import('../../../plugins/install/resource.ts'),
        import('../../../plugins/lockfile.ts'),
      ]);
      const mesh = controlPlane(await Api.open());
      const { namespace, lockfile, wait, timeout, allow, dryRun = false } = options;
      const policy = await trustPolicy(options);
      const agree = agreement(options.yes === true);
      const done: unknown[] = [];
      await inSteps(async () => {
        const locked = await readLockfile(lockfile);
        const wanted =
          names.length === 0
            ? (await installedPlugins(mesh, namespace)).map((plugin) => ({ plugin, range: undefined }))
            : await Promise.all(
                names.map(async (text) => {
                  const [, name, range] = /^([^@]+)(?:@(.+))?$/.exec(text) ?? [];
                  if (name === undefined) throw new CliError(`${text} is no name of a plugin`, EXIT.usage);
                  return { plugin: await installedPlugin(mesh, { namespace, name }), range };
                }),
              );
        for (const { plugin, range } of wanted) {
          const { name } = plugin.metadata;
          const updated = await updatePlugin(mesh, plugin, {
            ...{ lockfile, wait, timeout, allow, policy, folder: process.cwd() },
            ...{ tell, agree, locked, range, dryRun },
          });
          if (updated === null) continue;
          const { spec, from = '-', to = '-', outcome } = updated;
          done.push({ name: label(plugin), from, to, changed: outcome === 'updated', spec });
          if (outcome === 'same') say(options, `${name} ${to} is up to date`);
          else say(options, `${name} ${from} -> ${to}${outcome === 'newer' ? ' (dry run)' : ''}`);
        }
      }, 'it was not updated');
      if (options.json === true) printJson(done);
      else if (done.length === 0) print('nothing to update');
    });
}

function say(options: Options, line: string): void {
  if (options.json !== true) print(line);
}
