// `mesh plugin check`: what a module is, whether proxies would run it, and what it will be able to do, in words.
import type { Command } from 'commander';
import type { PluginDescription } from '../../../core/wasm/trial/check.ts';
import { EXIT } from '../../exit.ts';
import { note, paint, print, printJson } from '../../output.ts';

const KINDS = { http: 'HTTP filter', network: 'network filter', service: 'service' } as const;

export function addCheckCommand(group: Command): void {
  group
    .command('check')
    .description('Say what a module will be able to do, or why it is refused; nothing of it runs')
    .argument('<file>', 'a .wasm file')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A refused module ends with exit code 3.

Examples:
  $ mesh plugin check filter.wasm
  $ mesh plugin check filter.wasm --json`,
    )
    .action(async (file: string, options: { json?: boolean }) => {
      const [{ describePlugin }, { readWasm }] = await Promise.all([
        import('../../../core/wasm/trial/check.ts'),
        import('../../wasm-file.ts'),
      ]);
      const { bytes, size } = await readWasm(file);
      const description = { ...describePlugin(bytes), size };
      if (options.json === true) printJson(description);
      else if (description.accepted) print(inWords(file, description));
      if (description.accepted) return;
      note(`${paint('red', 'mesh:', process.stderr)} ${file} cannot run: ${description.refusal}`);
      process.exitCode = EXIT.refused;
    });
}

function inWords(
  file: string,
  { abi, kinds, size, memoryPages, memoryLimitPages, capabilities }: PluginDescription,
): string {
  const lines = [
    `${paint('bold', file)}: ${whatItIs(kinds)}, proxy-wasm ${abi}, ${kilobytes(size)}`,
    `Memory: ${kilobytes(memoryPages * 65_536)} to begin with, at most ${kilobytes(memoryLimitPages * 65_536)}`,
  ];
  if (capabilities.length === 0) lines.push('It can do nothing but see that requests come and go.');
  else
    lines.push(
      'It will be able to',
      ...capabilities.map(({ name, does }) => `  - ${does} ${paint('dim', `(${name})`)}`),
    );
  lines.push('It cannot open files or sockets, and it is stopped when it runs for too long.');
  return lines.join('\n');
}

function whatItIs(kinds: PluginDescription['kinds']): string {
  if (kinds.length === 0) return 'a module';
  const names = kinds.map((kind) => KINDS[kind]);
  return names.length === 1
    ? names[0]
    : `${names.slice(0, -1).join(', ')} or ${names.at(-1)} (it has the callbacks of each)`;
}

function kilobytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round((bytes / 1024 / 1024) * 10) / 10} MiB`;
}
