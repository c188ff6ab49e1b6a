// `mesh whoami`: whom the token of this context stands for.
import { type Command, Option } from 'commander';
import { describeGrants } from '../grants.ts';
import { print, printJson, table } from '../output.ts';

interface Options {
  readonly output: 'table' | 'json';
  readonly json?: boolean;
}

export function whoamiCommand(program: Command): void {
  program
    .command('whoami')
    .description('Print whom the token of this context stands for, and what it may do')
    .addOption(new Option('-o, --output <format>', 'how').choices(['table', 'json']).default('table'))
    .option('--json', 'the same as -o json')
    .addHelpText('after', '\nExamples:\n  $ mesh whoami\n  $ mesh whoami -o json')
    .action(async ({ output, json }: Options) => {
      const { Api } = await import('../api.ts');
      const api = await Api.open();
      const who = await api.whoami();
      if (json === true || output === 'json') return printJson({ ...who, api: api.url });
      const { name, grants, expires, address } = who;
      const rows = [[name, describeGrants(grants), expires ?? 'never', address, api.url]];
      print(table(['NAME', 'ROLE', 'EXPIRES', 'ADDRESS', 'CONTROL PLANE'], rows));
    });
}
