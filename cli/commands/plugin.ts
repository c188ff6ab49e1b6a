// `mesh plugin`: what has to do with filters before a proxy runs them. Needs no mesh.
import type { Command } from 'commander';
import { CliError, EXIT } from '../exit.ts';
import { addCheckCommand } from './plugin/check.ts';
import { addTestCommand } from './plugin/test.ts';
import { addTryCommand } from './plugin/try.ts';

export function pluginCommand(program: Command): void {
  const group = program
    .command('plugin')
    .description('Look at a WASM filter and try it out, without a mesh')
    .option('--json', 'print JSON (after the command)')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh plugin check filter.wasm
  $ mesh plugin test ./my-plugin
  $ mesh plugin try filter.wasm -H 'user-agent: curl' --path /hello`,
    )
    .action(() => {
      throw new CliError('say what: check, try or test', EXIT.usage);
    });
  addCheckCommand(group);
  addTryCommand(group);
  addTestCommand(group);
}
