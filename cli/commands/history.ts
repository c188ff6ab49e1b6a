// `mesh history`: the revisions that are kept, and who made them.
import { type Command, Option } from 'commander';
import type { Revision } from '../api.ts';
import { print, printJson, table } from '../output.ts';
import { count } from '../parse.ts';

interface Options {
  readonly limit: number;
  readonly before?: number;
  readonly output: 'table' | 'wide' | 'json';
  readonly json?: boolean;
}

export function historyCommand(program: Command): void {
  program
    .command('history')
    .description('Print the revisions of the configuration, newest first, and who made them')
    .option('-l, --limit <number>', 'how many', count, 20)
    .option('--before <revision>', 'those below this one', count)
    .addOption(
      new Option('-o, --output <format>', 'wide: also from where').choices(['table', 'wide', 'json']).default('table'),
    )
    .option('--json', 'the same as -o json')
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh history --limit 5\n  $ mesh history --before 1200\n  $ mesh history -o wide\n  $ mesh rollback 11 --wait',
    )
    .action(async ({ limit, before, output, json }: Options) => {
      const { Api } = await import('../api.ts');
      const { items, revision } = await (await Api.open()).history(limit, before);
      if (json === true || output === 'json') printJson({ revision, items });
      else if (items.length === 0) print('no revisions yet');
      else if (output === 'wide') print(table([...TITLES, ...WIDE_TITLES], items.map(wide)));
      else print(table(TITLES, items.map(row)));
    });
}

const TITLES = ['REVISION', 'TIME', 'AUTHOR', 'CHANGES', 'MESSAGE'];
const WIDE_TITLES = ['PARENT', 'FROM', 'CLIENT', 'REQUEST'];

function row({ revision, time, author, upserts, removals, message }: Revision): string[] {
  return [String(revision), time.replace(/\.\d+Z$/, 'Z'), author, `+${upserts} -${removals}`, message];
}

function wide(item: Revision): string[] {
  const { address = '', client = '', request = '' } = item.origin ?? {};
  return [...row(item), ...[String(item.parent), address, client, request].map((cell) => cell || '-')];
}
