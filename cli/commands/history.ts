// `mesh history`: the revisions that are kept.
import type { Command } from 'commander';
import { print, printJson, table } from '../output.ts';
import { count } from '../parse.ts';

export function historyCommand(program: Command): void {
  program
    .command('history')
    .description('Print the revisions of the configuration, newest first')
    .option('-l, --limit <number>', 'how many', count, 20)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh history --limit 5\n  $ mesh rollback 11 --wait')
    .action(async (options: { limit: number; json?: boolean }) => {
      const { Api } = await import('../api.ts');
      const { items, revision } = await (await Api.open()).history(options.limit);
      if (options.json === true) {
        printJson({ revision, items });
        return;
      }
      const rows = items.map((item) => [
        String(item.revision),
        item.time.replace(/\.\d+Z$/, 'Z'),
        item.author,
        `+${item.upserts} -${item.removals}`,
        item.message,
      ]);
      print(rows.length === 0 ? 'no revisions yet' : table(['REVISION', 'TIME', 'AUTHOR', 'CHANGES', 'MESSAGE'], rows));
    });
}
