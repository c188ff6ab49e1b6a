// placeholder
import type { Command } from 'commander';
export function runCommand(_program: Command): void {}
