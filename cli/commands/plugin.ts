// `mesh plugin`: filters, from looking at one to having it on every proxy.
import type { Command } from 'commander';
import { CliError, EXIT } from '../exit.ts';
import { addBuildCommand } from './plugin/build.ts';
import { addCheckCommand } from './plugin/check.ts';
import { addDevCommand } from './plugin/dev.ts';
import { addInstalledCommands } from './plugin/installed.ts';
import { addNewCommand } from './plugin/new.ts';
import { addTestCommand } from './plugin/test.ts';
import { addTryCommand } from './plugin/try.ts';

export function pluginCommand(program: Command): void {
  const group = program
    .command('plugin')
    .description('Look at WASM filters, try them out, and install them')
    .option('--json', 'print JSON (after the command)')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh plugin new greeting
  $ mesh plugin check filter.wasm
  $ mesh plugin test ./my-plugin
  $ mesh plugin try filter.wasm -H 'user-agent: curl' --path /hello
  $ mesh plugin install ./my-plugin --enable`,
    )
    .action(() => {
      throw new CliError(`say what: ${group.commands.map((command) => command.name()).join(', ')}`, EXIT.usage);
    });
  addNewCommand(group);
  addBuildCommand(group);
  addDevCommand(group);
  addCheckCommand(group);
  addTryCommand(group);
  addTestCommand(group);
  addInstalledCommands(group);
}
