// `mesh apply`: files to the control plane as one commit.
import type { Command } from 'commander';
import { CliError, EXIT } from '../exit.ts';
import { dryRunOption, each, revision, timeoutOption } from '../parse.ts';
import type { ChangeOptions } from '../rollout.ts';

interface Options extends Omit<ChangeOptions, 'dryRun'> {
  readonly dryRun?: boolean | 'client';
  readonly filename: readonly string[];
  readonly recursive?: boolean;
  readonly parent?: number;
  readonly message?: string;
}

export function applyCommand(program: Command): void {
  program
    .command('apply')
    .description('Apply configuration: all of it becomes one revision, or nothing changes')
    .requiredOption(
      '-f, --filename <file>',
      'a YAML or JSON file, a folder of them, or - for standard input; repeatable',
      each,
    )
    .option('-R, --recursive', 'folders with their subfolders')
    .option('--wait', 'until every proxy with a live lease runs it')
    .addOption(timeoutOption())
    .addOption(dryRunOption(true))
    .option('--parent <revision>', 'only if the configuration is still at this revision', revision)
    .option('-m, --message <text>', 'for the history')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh apply -f reviews.yaml --wait
  VirtualService/default/reviews configured
  revision 12: 7/7 proxies, p50 4.1 ms, max 9.0 ms
  $ mesh apply -f rules/ --dry-run
  $ mesh apply -f rules/ --dry-run=client
  $ generate | mesh apply -f - --timeout 30s --wait

A refused change is told as FILE:LINE:COLUMN POINTER: REASON, changes nothing and exits with 3.
With --wait, 4 says that a proxy did not answer in time and 3 that one refused.`,
    )
    .action(async (options: Options) => {
      const { dryRun, parent, message } = options;
      if (dryRun === 'client') {
        if (parent !== undefined) {
          throw new CliError('--parent asks a mesh for its revision, and --dry-run=client asks none', EXIT.usage);
        }
        const [{ judge }, { DRY_RUN }] = await Promise.all([import('./validate.ts'), import('../rollout.ts')]);
        return judge(options, DRY_RUN);
      }
      const [{ Api }, { readSources }, { moduleFiles }, { reportChange }] = await Promise.all([
        import('../api.ts'),
        import('../sources.ts'),
        import('../module-files.ts'),
        import('../rollout.ts'),
      ]);
      const api = await Api.open();
      const files = await readSources(options.filename, options.recursive === true);
      const modules = await moduleFiles(api, files, true);
      const result = await api.apply(files, { dryRun, parent, message }, modules);
      // As when whatever generates them has failed: it must not look like success.
      if (result.changes.length === 0) throw new CliError('the files name no resource: nothing was changed');
      await reportChange(api, result, { ...options, dryRun }, async (problems) => {
        const { decodeFiles, placeProblems } = await import('../../core/config/decode.ts');
        return placeProblems(problems, decodeFiles(files.map(({ name, text }) => ({ text, file: name }))));
      });
    });
}
