// `mesh plugin enable` and `disable`: a plugin into the chains of the proxies, and out of them; it stays installed.
import { type Command, Option } from 'commander';
import type { Wishes } from '../../../plugins/install/resource.ts';
import { label } from '../../parse.ts';
import { change } from '../../plugin/change.ts';
import { type ChangeFlags, changeOptions, configuration } from '../../plugin/options.ts';

interface EnableOptions extends ChangeFlags {
  readonly config?: string;
  readonly phase?: Wishes['phase'];
  readonly selector?: Readonly<Record<string, string>>;
}

export function addEnableCommand(group: Command): void {
  const command = group
    .command('enable')
    .description('Put an installed plugin into the chains of the proxies')
    .argument('<name>', 'as `mesh plugin list` prints it')
    .option('--config <json>', 'its configuration, JSON or YAML; @FILE reads a file')
    .addOption(new Option('--phase <phase>', 'where in the chain').choices(['AUTHN', 'AUTHZ', 'STATS']))
    .option('--selector <label=value>', 'only workloads with this label; repeatable', label);
  changeOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh plugin enable jwt\n  $ mesh plugin enable waf --selector app=reviews --phase AUTHZ',
    )
    .action(async (name: string, options: EnableOptions) => {
      const { phase, selector } = options;
      const config = options.config === undefined ? undefined : await configuration('--config', options.config);
      await change(name, options, `${name} enabled`, async (mesh, before) => {
        const { enablePlugin } = await import('../../../plugins/install/change.ts');
        return enablePlugin(mesh, before, { config, phase, selector }, options);
      });
    });
}

export function addDisableCommand(group: Command): void {
  const command = group
    .command('disable')
    .description('Take a plugin out of the chains of the proxies; it stays installed')
    .argument('<name>', 'as `mesh plugin list` prints it');
  changeOptions(command)
    .addHelpText('after', '\nExamples:\n  $ mesh plugin disable jwt')
    .action((name: string, options: ChangeFlags) =>
      change(name, options, `${name} disabled`, async (mesh, before) => {
        const { disablePlugin } = await import('../../../plugins/install/change.ts');
        return disablePlugin(mesh, before, options);
      }),
    );
}
