// `mesh plugin dev`: on every save of a plugin's folder build, test, and swap it into the running mesh. What does not compile,
// does not pass or is refused is told, and what runs goes on running.
import type { Command } from 'commander';
import { label } from '../../parse.ts';
import { type ChangeFlags, changeOptions, configuration, list } from '../../plugin/options.ts';

interface Options extends ChangeFlags {
  readonly config?: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly allow: readonly string[];
  readonly keep?: boolean;
  readonly tests: boolean;
}

export function addDevCommand(group: Command): void {
  const command = group
    .command('dev')
    .description('Watch a plugin’s folder: on every save build it, test it, and swap it into the running mesh')
    .argument('[folder]', 'the plugin’s folder, which holds package.json', '.')
    .option('--config <json>', 'its configuration, JSON or YAML; @FILE reads a file')
    .option('--selector <label=value>', 'only workloads with this label; repeatable', label)
    .option('--allow <names>', 'capabilities that it may have; repeatable', list, [])
    .option('--no-tests', 'swap it in without running its tests')
    .option('--keep', 'leave it installed at the end');
  changeOptions(command)
    .addHelpText(
      'after',
      `
Runs until Ctrl-C, and then puts back what was there before: the plugin as it was installed, or none. The command changes one
Plugin resource and stores modules; requests that are under way end with the filter that they began with.

Examples:
  $ mesh plugin dev
  $ mesh plugin dev filters/greeting --config '{"header":"x-a","value":"b"}' --selector app=productpage`,
    )
    .action(async (folder: string, options: Options) => {
      const { developPlugin } = await import('../../plugin/dev.ts');
      const config = options.config === undefined ? undefined : await configuration('--config', options.config);
      await developPlugin(folder, { ...options, config, keep: options.keep === true });
    });
}
