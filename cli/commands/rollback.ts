// `mesh rollback`: a new revision with the content of an older one.
import type { Command } from 'commander';
import { dryRunOption, revision, timeoutOption } from '../parse.ts';
import type { ChangeOptions } from '../rollout.ts';

export function rollbackCommand(program: Command): void {
  program
    .command('rollback')
    .description('Make the configuration what it was at an older revision, as a new revision')
    .argument('<revision>', 'as `mesh history` prints it', revision)
    .option('--wait', 'until every proxy with a live lease runs it')
    .addOption(timeoutOption())
    .addOption(dryRunOption(false))
    .option('-m, --message <text>', 'for the history')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh rollback 11 --wait')
    .action(async (to: number, options: ChangeOptions & { message?: string }) => {
      const [{ Api }, { reportChange }] = await Promise.all([import('../api.ts'), import('../rollout.ts')]);
      const api = await Api.open();
      const { dryRun, message } = options;
      await reportChange(api, await api.rollback(to, { dryRun, message }), options);
    });
}
