import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { Command } from 'commander';
import { buildProgram } from '../../cli/program.ts';

const ROOT = join(import.meta.dirname, '../..');

/** As a shell splits it: quotes keep words together; what is behind a pipe is another command's. */
function wordsOf(line: string): string[] {
  const words = line.match(/(?:[^\s'"|<>&]|'[^']*'|"[^"]*")+|[|<>&]/g) ?? [];
  const end = words.findIndex((word) => /^[|<>&]$/.test(word));
  return (end < 0 ? words : words.slice(0, end)).map((word) => word.replaceAll(/['"]/g, ''));
}

/** Follows the words to the command that they name, and lets it read the rest; runs nothing. */
async function read(words: readonly string[]): Promise<void> {
  let command = await buildProgram(words);
  let rest = [...words];
  for (;;) {
    const next = command.commands.find((one) => one.name() === rest[0] || one.aliases().includes(rest[0]));
    if (next === undefined) break;
    command = next;
    rest = rest.slice(1);
  }
  command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  const end = rest.indexOf('--');
  const { operands, unknown } = command.parseOptions(end < 0 ? rest : rest.slice(0, end));
  assert.deepEqual(unknown, [], `options of ${command.name()}`);
  const { registeredArguments } = command;
  if (registeredArguments.some(({ variadic }) => variadic)) return;
  assert.ok(operands.length <= registeredArguments.length, `${command.name()} takes no ${operands.at(-1)}`);
}

function every(command: Command): Command[] {
  return [command, ...command.commands.flatMap(every)];
}

function helpOf(command: Command): string {
  let help = '';
  const writeOut = (text: string): void => {
    help += text;
  };
  command.configureOutput({ writeOut });
  command.outputHelp();
  return help;
}

/** Command lines that begin with `mesh`, also those that go on in the next line. */
function examplesIn(text: string, start: RegExp): string[] {
  const lines = text.replaceAll(/\\\n\s*/g, '').split('\n');
  return lines.flatMap((line) => start.exec(line)?.[1] ?? []).map((line) => line.replace(/\s+#.*$|\s{3,}.*$/, ''));
}

const whole = await buildProgram([]);

suite('an example is taken by the command that it shows', () => {
  for (const command of every(whole)) {
    const examples = examplesIn(helpOf(command), /^\s*\$ (?:\w+=\S+ )*mesh (.+)$/);
    if (examples.length === 0) continue;
    test(`of the help of ${command.name()}`, async () => {
      for (const example of examples) await assert.doesNotReject(read(wordsOf(example)), example);
    });
  }

  for (const file of ['README.md', 'docs/plugins.md', 'filters/sdk/README.md', 'plugins/README.md']) {
    test(`of ${file}`, async () => {
      const text = readFileSync(join(ROOT, file), 'utf8');
      const blocks = examplesIn(text, /^(?:\$ )?(?:npx )?mesh ((?:plugin|apply|get|up|run|pc|ps|delete) .+)$/);
      const inline = [...text.matchAll(/`mesh (plugin \w+ [^`…|]+)`/g)].map(([, line]) => line);
      for (const example of [...blocks, ...inline]) {
        if (/→|\[|NAME|SPEC|\.\.\.$/.test(example)) continue;
        await assert.doesNotReject(read(wordsOf(example)), example);
      }
    });
  }
});
