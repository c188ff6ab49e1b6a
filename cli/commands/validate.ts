// `mesh validate`: judges files without a mesh, for CI and editors.
import type { Command } from 'commander';
import { CliError } from '../exit.ts';
import { each } from '../parse.ts';

interface Options {
  readonly filename: readonly string[];
  readonly recursive?: boolean;
  readonly json?: boolean;
}

export function validateCommand(program: Command): void {
  program
    .command('validate')
    .description('Check files as the control plane would, without one')
    .requiredOption('-f, --filename <file>', 'a file, a folder or - (standard input); repeatable', each)
    .option('-R, --recursive', 'folders with their subfolders')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Takes the files for the whole configuration: what they refer to and do not hold is a warning. Exits with 3 when a control plane
would refuse them. Of modules those are read that WasmPlugins name by file: URLs; nothing is fetched.

Examples:
  $ mesh validate -f rules/ -R
  $ kustomize build | mesh validate -f -`,
    )
    .action(async (options: Options) => {
      await judge(options, '');
    });
}

/** Also `mesh apply --dry-run=client`. Throws CliError. */
export async function judge(options: Options, suffix: string): Promise<void> {
  const [{ readSources }, { judgeFiles }, { printChanges }, { printJson }] = await Promise.all([
    import('../sources.ts'),
    import('../offline.ts'),
    import('../rollout.ts'),
    import('../output.ts'),
  ]);
  const judgement = await judgeFiles(await readSources(options.filename, options.recursive === true));
  if (judgement.changes.length === 0) throw new CliError('the files name no resource');
  if (options.json === true) printJson(judgement);
  else printChanges(judgement, suffix);
}
