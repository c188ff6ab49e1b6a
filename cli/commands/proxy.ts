// placeholder
import type { Command } from 'commander';
export function proxyCommand(_program: Command): void {}
