// `mesh plugin update`: what the plugin's range, or another one, stands for today; the same transaction as an installation.
import type { Command } from 'commander';
import type { LockedPlugins } from '../../../plugins/lockfile.ts';
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
import type { PluginResource } from '../../plugin/resource.ts';

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
    .option('--allow <names>', 'capabilities that a new version may have; repeatable', list, [])
    .option('-y, --yes', 'ask nothing');
  changeOptions(trustOptions(command))
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh plugin update\n  $ mesh plugin update jwt@^2 --allow http_call\n  $ mesh plugin update --dry-run',
    )
    .action(async (names: readonly string[], options: Options) => {
      const [{ Api }, { inSteps, tell }, { installFound }, { installedPlugin, installedPlugins, label }] =
        await Promise.all([
          import('../../api.ts'),
          import('../../plugin/progress.ts'),
          import('../../plugin/install.ts'),
          import('../../plugin/installed.ts'),
        ]);
      const [{ findPlugin }, { readLockfile }, { digestOf }] = await Promise.all([
        import('../../../plugins/source/find.ts'),
        import('../../../plugins/lockfile.ts'),
        import('../../../bus/objects.ts'),
      ]);
      const api = await Api.open();
      const { namespace, lockfile, wait, timeout, allow } = options;
      const find = { policy: await trustPolicy(options), folder: process.cwd(), tell };
      const done: unknown[] = [];
      await inSteps(async () => {
        const locked = await readLockfile(lockfile);
        const wanted =
          names.length === 0
            ? (await installedPlugins(api, namespace)).map((plugin) => ({ plugin, range: null }))
            : await Promise.all(
                names.map(async (text) => {
                  const [, name, range = null] = /^([^@]+)(?:@(.+))?$/.exec(text) ?? [];
                  if (name === undefined) throw new CliError(`${text} is no name of a plugin`, EXIT.usage);
                  return { plugin: await installedPlugin(api, { namespace, name }), range };
                }),
              );
        for (const { plugin, range } of wanted) {
          const { name } = plugin.metadata;
          const spec = specOf(plugin, locked, range);
          if (spec === null) {
            tell('resolve', `${name}: where it came from is not known`);
            continue;
          }
          const found = await findPlugin(spec, find);
          const same =
            digestOf(found.plugin.module) === plugin.spec.digest && found.plugin.version === plugin.spec.version;
          const from = plugin.spec.version ?? '-';
          const to = found.plugin.version ?? '-';
          done.push({ name: label(plugin), from, to, changed: !same && options.dryRun !== true, spec });
          if (same) say(options, `${name} ${to} is up to date`);
          else if (options.dryRun === true) say(options, `${name} ${from} -> ${to} (dry run)`);
          else {
            await installFound(api, spec, found, {
              ...{ namespace, lockfile, wait, timeout, allow, name, wishes: {}, yes: options.yes === true },
              ...find,
            });
            say(options, `${name} ${from} -> ${to}`);
          }
        }
      }, 'it was not updated');
      if (options.json === true) printJson(done);
      else if (done.length === 0) print('nothing to update');
    });
}

/** What is asked for today: as it was installed, with another range if there is one. Null: not known. */
function specOf({ metadata, spec }: PluginResource, locked: LockedPlugins, range: string | null): string | null {
  const asked = locked[`${metadata.namespace}/${metadata.name}`]?.spec;
  const npm = /^npm:((?:@[^@/]+\/)?[^@/]+)@/.exec(spec.source ?? '')?.[1];
  if (range !== null) {
    if (npm !== undefined) return `npm:${npm}@${range}`;
    throw new CliError(
      `${metadata.name} is from ${spec.source ?? 'an unknown place'}: only packages have ranges`,
      EXIT.usage,
    );
  }
  if (asked !== undefined) return asked;
  return npm === undefined ? (spec.source ?? null) : `npm:${npm}`;
}

function say(options: Options, line: string): void {
  if (options.json !== true) print(line);
}
