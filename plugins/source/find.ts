// Finds a plugin wherever its name, path or address says it is.
import { type Step, StepFailed } from '../step.ts';
import { findLocal } from './local.ts';
import type { FoundPlugin } from './package.ts';
import { parseSource } from './spec.ts';

export interface FindOptions {
  /** What happens, for people. */
  tell(step: Step, what: string): void;
}

/** Throws StepFailed. */
export async function findPlugin(text: string, { tell }: FindOptions): Promise<FoundPlugin> {
  const source = parseSource(text);
  if (source.from !== 'file')
    throw new StepFailed('resolve', 'usage', `plugins cannot be fetched from ${source.from} yet`);
  const found = await findLocal(source.path);
  tell('resolve', describe(found));
  return found;
}

function describe({ plugin: { name, version }, origin: { source } }: FoundPlugin): string {
  return `${name}${version === undefined ? '' : ` ${version}`} (${source})`;
}
