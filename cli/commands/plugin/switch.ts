// `mesh plugin enable` and `disable`: a plugin into the chains of the proxies, and out of them; it stays installed.
import { type Command, Option } from 'commander';
import { label } from '../../parse.ts';
import { type ChangeFlags, changeOptions, configuration } from '../../plugin/options.ts';
import type { Wishes } from '../../plugin/resource.ts';

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
      const { config, phase, selector } = options;
      const wanted = config === undefined ? undefined : await configuration('--config', config);
      await set(name, true, options, {
        ...(wanted !== undefined && { config: wanted }),
        ...(phase !== undefined && { phase }),
        ...(selector !== undefined && { selector: { matchLabels: selector } }),
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
    .action((name: string, options: ChangeFlags) => set(name, false, options, {}));
}

async function set(name: string, enabled: boolean, options: ChangeFlags, more: object): Promise<void> {
  const [{ Api }, { inSteps }, { changeInstalled, installedPlugin, proveConfiguration }, { withSpec }] =
    await Promise.all([
      import('../../api.ts'),
      import('../../plugin/progress.ts'),
      import('../../plugin/installed.ts'),
      import('../../plugin/resource.ts'),
    ]);
  const api = await Api.open();
  const key = { namespace: options.namespace, name };
  const before = await installedPlugin(api, key);
  const after = withSpec(before, { ...more, enabled });
  if (enabled) await inSteps(() => proveConfiguration(api, after), 'nothing was changed');
  const word = enabled ? 'enable' : 'disable';
  await changeInstalled(api, { key, before, after, message: `${word} plugin ${name}` }, options, `${name} ${word}d`);
}
