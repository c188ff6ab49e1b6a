import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Command } from 'commander';
import { buildProgram } from '../../cli/program.ts';

const whole = await buildProgram([]);

/** Of each command the words that lead to it, by every name that it has. */
function pathsTo(command: Command, before: readonly string[] = []): string[][] {
  return command.commands.flatMap((each) =>
    [each.name(), ...each.aliases()].flatMap((name) => [[...before, name], ...pathsTo(each, [...before, name])]),
  );
}

function follow(from: Command, words: readonly string[]): Command {
  const [word, ...rest] = words;
  if (word === undefined) return from;
  const next = from.commands.find((one) => [one.name(), ...one.aliases()].includes(word));
  assert.ok(next, `${from.name()} has ${word}`);
  return follow(next, rest);
}

suite('a command is loaded when it is named', () => {
  for (const words of pathsTo(whole)) {
    test(`${words.join(' ')}, by itself and as the help of all has it`, async () => {
      const alone = await buildProgram(words);
      assert.equal(follow(alone, words).helpInformation(), follow(whole, words).helpInformation());
      assert.equal(alone.commands.length, 1);
    });
  }

  test('all are there for help, and for a word that names none', async () => {
    for (const words of [['--help'], ['help', 'apply'], ['aply'], ['--json', 'get'], []]) {
      assert.equal((await buildProgram(words)).helpInformation(), whole.helpInformation());
    }
    const plugin = (await buildProgram(['plugin', '--json', 'list'])).commands[0];
    assert.equal(plugin.helpInformation(), follow(whole, ['plugin']).helpInformation());
  });
});
