// A command that only holds others: `mesh plugin`, `mesh proxy-config`. Alone it says what there is, and a misspelt one is told.
import type { Command } from 'commander';
import { closest } from '../core/config/spelling.ts';
import { CliError, EXIT } from './exit.ts';

export function commandGroup(group: Command): Command {
  return group
    .option('--json', 'print JSON')
    .allowExcessArguments()
    .action((_options, command: Command) => {
      const names = group.commands.map((each) => each.name());
      const [word] = command.args;
      if (word === undefined) throw new CliError(`say what: ${names.join(', ')}`, EXIT.usage);
      const nearest = closest(
        word,
        group.commands.flatMap((each) => [each.name(), ...each.aliases()]),
      );
      const hint = nearest === null ? `; there are ${names.join(', ')}` : `; did you mean '${nearest}'?`;
      throw new CliError(`mesh ${group.name()} has no command '${word}'${hint}`, EXIT.usage);
    });
}
