// `mesh plugin config`: the configuration of an installed plugin, shown or changed; it has to fit the plugin's schema.
import type { Command } from 'commander';
import type { Configuration } from '../../../plugins/configuration.ts';
import { CliError, EXIT } from '../../exit.ts';
import { note, print, printJson } from '../../output.ts';
import { change } from '../../plugin/change.ts';
import { type ChangeFlags, changeOptions, configuration } from '../../plugin/options.ts';
import type { Assignment } from '../../plugin/paths.ts';

interface Options extends ChangeFlags {
  readonly set: readonly string[];
  readonly unset: readonly string[];
  readonly filename?: string;
  readonly edit?: boolean;
  readonly schema?: boolean;
}

const each = (text: string, before: readonly string[]): string[] => [...before, text];

export function addConfigCommand(group: Command): void {
  const command = group
    .command('config')
    .description(
      'Print the configuration of an installed plugin, or change it; all proxies that run it take it, or none',
    )
    .argument('<name>', 'as `mesh plugin list` prints it')
    .option('--set <path=value>', 'one value, in YAML; repeatable', each, [])
    .option('--unset <path>', 'remove one value; repeatable', each, [])
    .option('-f, --filename <file>', 'all of it, from a JSON or YAML file; - for standard input')
    .option('-e, --edit', 'all of it, in $EDITOR')
    .option('--schema', 'print the schema that it has to fit');
  changeOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  $ mesh plugin config jwt
  $ mesh plugin config jwt --set issuer=https://accounts.example --set limits.most=3 --unset debug
  $ mesh plugin config jwt -f jwt.yaml
  $ EDITOR=vi mesh plugin config jwt --edit`,
    )
    .action((name: string, options: Options) =>
      change(name, options, `${name} configured`, async (mesh, before) => {
        const [{ configurePlugin }, { schemaOf }] = await Promise.all([
          import('../../../plugins/install/change.ts'),
          import('../../../plugins/install/resource.ts'),
        ]);
        const present = before.spec.config ?? {};
        const config = options.schema === true ? null : await changed(present, options);
        if (config !== null) return configurePlugin(mesh, before, config, options);
        if (options.schema === true) printJson(schemaOf(before) ?? {});
        else if (options.json === true) printJson(present);
        else print(await asYaml(present));
        return null;
      }),
    );
}

/** Null: nothing of it is to be changed. */
async function changed(config: Configuration, options: Options): Promise<Configuration | null> {
  const assignments = await parseAssignments(options);
  const whole = [options.filename !== undefined, options.edit === true].filter(Boolean).length;
  if (whole > 1 || (whole === 1 && assignments.length > 0)) {
    throw new CliError('give one of -f, --edit, and --set or --unset', EXIT.usage);
  }
  if (options.filename !== undefined) {
    if (options.filename !== '-') return configuration('--filename', `@${options.filename}`);
    const { text } = await import('node:stream/consumers');
    return configuration('--filename', await text(process.stdin));
  }
  if (options.edit === true) return edited(config);
  if (assignments.length === 0) return null;
  const { assign } = await import('../../plugin/paths.ts');
  return asUsage('--set', () => assignments.reduce(assign, config));
}

async function parseAssignments({ set, unset }: Options): Promise<Assignment[]> {
  const { assignment, removal } = await import('../../plugin/paths.ts');
  return asUsage('--set', () => [
    ...set.flatMap((text) => assignment(text)),
    ...unset.flatMap((text) => removal(text)),
  ]);
}

function asUsage<T>(flag: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new CliError(`${flag}: ${(error as Error).message}`, EXIT.usage);
  }
}

async function edited(config: Configuration): Promise<Configuration> {
  const editor = process.env.VISUAL || process.env.EDITOR;
  if (!editor) throw new CliError('set $EDITOR, or use --set or -f', EXIT.usage);
  const [{ mkdtemp, readFile, rm, writeFile }, { tmpdir }, { join }, { spawnSync }] = await Promise.all([
    import('node:fs/promises'),
    import('node:os'),
    import('node:path'),
    import('node:child_process'),
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'mesh-config-'));
  try {
    const file = join(folder, 'config.yaml');
    await writeFile(file, await asYaml(config), { mode: 0o600 });
    // As git does it: $EDITOR may carry arguments.
    const { status, error } = spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
    if (error !== undefined || status !== 0)
      throw new CliError(`${editor} ended with ${status ?? error?.message}: nothing was changed`);
    return await configuration('--edit', await readFile(file, 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true }).catch((error: Error) => note(error.message));
  }
}

async function asYaml(config: Configuration): Promise<string> {
  if (typeof config === 'string') return config;
  const { stringify } = await import('yaml');
  return stringify(config, { lineWidth: 0 }).trimEnd();
}
