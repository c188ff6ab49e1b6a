// placeholder
import type { Command } from 'commander';
export function proxyConfigCommand(_program: Command): void {}
