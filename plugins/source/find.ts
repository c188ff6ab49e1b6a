// Finds a plugin wherever its name, path or address says it is. Each place loads its own client.
import type { Step } from '../step.ts';
import { StepFailed } from '../step.ts';
import type { TrustPolicy } from '../trust/verify.ts';
import { findLocal } from './local.ts';
import type { FoundPlugin } from './package.ts';
import { parseSource } from './spec.ts';

export interface FindOptions {
  /** Of packages from registries. */
  readonly policy: TrustPolicy;
  /** Whose .npmrc counts. */
  readonly folder: string;
  /** What happens, for people. */
  tell(step: Step, what: string): void;
}

/** Throws StepFailed. */
export async function findPlugin(text: string, { policy, folder, tell }: FindOptions): Promise<FoundPlugin> {
  const source = parseSource(text);
  if (source.from === 'npm') {
    const { findInRegistry } = await import('./npm.ts');
    return findInRegistry(source, policy, { folder, tell });
  }
  if (source.from !== 'file') {
    throw new StepFailed('resolve', 'usage', `plugins cannot be fetched from ${source.from} yet`);
  }
  const found = await findLocal(source.path);
  tell('resolve', describe(found));
  return found;
}

function describe({ plugin: { name, version }, origin: { source } }: FoundPlugin): string {
  return `${name}${version === undefined ? '' : ` ${version}`} (${source})`;
}
