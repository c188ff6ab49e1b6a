// `mesh plugin`: filters, from looking at one to having it on every proxy.
import type { Command } from 'commander';
import { addChosen, type Choice } from '../choices.ts';
import { commandGroup } from '../command-group.ts';

/** In the order of the help; from `search` on they need a mesh or a registry. */
const COMMANDS: readonly Choice[] = [
  ['new', async () => (await import('./plugin/new.ts')).addNewCommand],
  ['build', async () => (await import('./plugin/build.ts')).addBuildCommand],
  ['dev', async () => (await import('./plugin/dev.ts')).addDevCommand],
  ['check', async () => (await import('./plugin/check.ts')).addCheckCommand],
  ['try', async () => (await import('./plugin/try.ts')).addTryCommand],
  ['test', async () => (await import('./plugin/test.ts')).addTestCommand],
  ['search', async () => (await import('./plugin/search.ts')).addSearchCommand],
  ['info', async () => (await import('./plugin/info.ts')).addInfoCommand],
  ['install', async () => (await import('./plugin/install.ts')).addInstallCommand],
  ['list ls', async () => (await import('./plugin/list.ts')).addListCommand],
  ['enable', async () => (await import('./plugin/switch.ts')).addEnableCommand],
  ['disable', async () => (await import('./plugin/switch.ts')).addDisableCommand],
  ['config', async () => (await import('./plugin/config.ts')).addConfigCommand],
  ['update', async () => (await import('./plugin/update.ts')).addUpdateCommand],
  ['rollback', async () => (await import('./plugin/rollback.ts')).addRollbackCommand],
  ['uninstall', async () => (await import('./plugin/uninstall.ts')).addUninstallCommand],
  ['verify', async () => (await import('./plugin/verify.ts')).addVerifyCommand],
  ['pack', async () => (await import('./plugin/pack.ts')).addPackCommand],
  ['publish', async () => (await import('./plugin/pack.ts')).addPublishCommand],
];

export async function pluginCommand(program: Command, words: readonly string[]): Promise<void> {
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
  await addChosen(group, COMMANDS, words);
}
