// The commands of `mesh plugin` that need a mesh or a registry, in the order of the help.
import type { Command } from 'commander';
import { addConfigCommand } from './config.ts';
import { addInfoCommand } from './info.ts';
import { addInstallCommand } from './install.ts';
import { addListCommand } from './list.ts';
import { addPackCommand, addPublishCommand } from './pack.ts';
import { addRollbackCommand } from './rollback.ts';
import { addSearchCommand } from './search.ts';
import { addDisableCommand, addEnableCommand } from './switch.ts';
import { addUninstallCommand } from './uninstall.ts';
import { addUpdateCommand } from './update.ts';
import { addVerifyCommand } from './verify.ts';

export function addInstalledCommands(group: Command): void {
  addSearchCommand(group);
  addInfoCommand(group);
  addInstallCommand(group);
  addListCommand(group);
  addEnableCommand(group);
  addDisableCommand(group);
  addConfigCommand(group);
  addUpdateCommand(group);
  addRollbackCommand(group);
  addUninstallCommand(group);
  addVerifyCommand(group);
  addPackCommand(group);
  addPublishCommand(group);
}
