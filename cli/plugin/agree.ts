// Asks whether a plugin may do what it wants to do: by a question on a terminal, by --allow in scripts.
import { createInterface } from 'node:readline/promises';
import type { Dialogue } from '../../plugins/install/dialogue.ts';
import { note } from '../output.ts';

/** `yes`: ask nothing. */
export function agreement(yes: boolean): Dialogue['agree'] {
  return async (plugin, open) => {
    const terminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
    if (open.length > 0 && (yes || !terminal)) {
      const wants = open.map((capability) => `${capability.name} (${capability.does})`).join(', ');
      return `${plugin} wants ${wants}: agree with --allow ${open.map(({ name }) => name).join(',')}`;
    }
    if (yes || !terminal) return null;
    if (open.length > 0) note(`${plugin} will be able to`);
    for (const { does, name } of open) note(`  - ${does} (${name})`);
    const question = createInterface({ input: process.stdin, output: process.stderr });
    try {
      const answer = await question.question(`Install ${plugin}? [y/N] `);
      return /^y(es)?$/i.test(answer.trim()) ? null : 'it was not agreed to';
    } finally {
      question.close();
    }
  };
}
