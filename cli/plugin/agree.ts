// Asks whether a plugin may do what it wants to do: by a question on a terminal, by --allow in scripts.
import { createInterface } from 'node:readline/promises';
import type { Capability } from '../../core/wasm/trial/capabilities.ts';
import { checkAllowed, unsettled } from '../../plugins/allow.ts';
import { StepFailed } from '../../plugins/step.ts';
import { note } from '../output.ts';

export interface Consent {
  /** By --allow, and by an earlier installation. */
  readonly allowed: readonly string[];
  readonly yes: boolean;
}

/** Throws StepFailed (allow) when it is not, or cannot be, agreed to. `name`: of the plugin. */
export async function agree(name: string, imported: readonly Capability[], { allowed, yes }: Consent): Promise<void> {
  checkAllowed(allowed);
  const open = unsettled(imported, allowed);
  const names = open.map((capability) => capability.name).join(',');
  const terminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (open.length > 0 && (yes || !terminal)) {
    const wants = open.map((capability) => `${capability.name} (${capability.does})`).join(', ');
    throw new StepFailed('allow', 'refused', `${name} wants ${wants}: agree with --allow ${names}`);
  }
  if (yes || !terminal) return;
  if (open.length > 0) note(`${name} will be able to`);
  for (const { does, name: capability } of open) note(`  - ${does} (${capability})`);
  const question = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await question.question(`Install ${name}? [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new StepFailed('allow', 'refused', 'it was not agreed to');
  } finally {
    question.close();
  }
}
