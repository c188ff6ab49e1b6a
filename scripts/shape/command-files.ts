// What a command of `mesh` is made of: its file, and those that know it.
import type { Tree } from './imports.ts';

/** Of each command the files that it touches, its own first; those of the fewest first. Tests are not counted. */
export function commandFiles({ sources, imports }: Tree): string[][] {
  const commands = [...sources.keys()].filter((path) => /^cli\/commands\/[^/]+\.ts$/.test(path));
  return commands
    .map((command) => {
      const knowing = imports.filter(({ from, to }) => to === command && !from.startsWith('test/'));
      return [command, ...new Set(knowing.map(({ from }) => from))];
    })
    .sort((a, b) => a.length - b.length);
}
