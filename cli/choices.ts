// Commands that are loaded when a command line names them: to load them all takes longer than most of them run.
import type { Command } from 'commander';

/** Adds a command to what holds it; `words`: the command line from behind its name on. */
export type AddCommand = (parent: Command, words: readonly string[]) => void | Promise<void>;

/** The names that a command goes by, and where it is. */
export type Choice = readonly [names: string, load: () => Promise<AddCommand>];

/** The one that the first word names. All of them, in their order, when it names none: for help, and to tell what was misspelt. */
export async function addChosen(
  parent: Command,
  choices: readonly Choice[],
  [name, ...words]: readonly string[],
): Promise<void> {
  const chosen = choices.filter(([names]) => names.split(' ').includes(name));
  const loaded = await Promise.all((chosen.length === 0 ? choices : chosen).map(([, load]) => load()));
  for (const add of loaded) await add(parent, chosen.length === 0 ? [] : words);
}
