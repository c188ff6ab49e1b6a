// `mesh plugin`: filters, from looking at one to having it on every proxy.
import type { Command } from 'commander';
import { commandGroup } from '../command-group.ts';
import { addBuildCommand } from './plugin/build.ts';
import { addCheckCommand } from './plugin/check.ts';
import { addDevCommand } from './plugin/dev.ts';
import { addInstalledCommands } from './plugin/installed.ts';
import { addNewCommand } from './plugin/new.ts';
import { addTestCommand } from './plugin/test.ts';
import { addTryCommand } from './plugin/try.ts';

export function pluginCommand(program: Command): void {
  const group = commandGroup(program.command('plugin'))
    .description('Look at WASM filters, try them out, and install them')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh plugin new greeting
  $ mesh plugin check filter.wasm
  $ mesh plugin test ./my-plugin
  $ mesh plugin try filter.wasm -H 'user-agent: curl' --path /hello
  $ mesh plugin install ./my-plugin --enable`,
    );
  addNewCommand(group);
  addBuildCommand(group);
  addDevCommand(group);
  addCheckCommand(group);
  addTryCommand(group);
  addTestCommand(group);
  addInstalledCommands(group);
}
