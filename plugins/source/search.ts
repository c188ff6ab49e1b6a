// Finds packages of plugins in a registry, by their keyword.
import { StepFailed } from '../step.ts';
import { readDocument } from './npm.ts';
import { readNpmOptions } from './npmrc.ts';

export interface SearchHit {
  readonly name: string;
  readonly version: string;
  readonly description: string;
}

/** What packages of plugins say in their package.json. */
export const KEYWORD = 'mesh-plugin';
const MOST = 50;

/** Throws StepFailed. */
export async function searchPlugins(words: readonly string[], folder: string): Promise<SearchHit[]> {
  const options = await readNpmOptions(folder);
  const text = encodeURIComponent([`keywords:${KEYWORD}`, ...words].join(' '));
  const document = (await readDocument(`-/v1/search?text=${text}&size=${MOST}`, '', options)) as {
    objects?: { package?: Partial<SearchHit> }[];
  } | null;
  if (!Array.isArray(document?.objects)) {
    throw new StepFailed('resolve', 'unreachable', `${options.registry} cannot be searched`);
  }
  return document.objects.flatMap(({ package: found }) =>
    typeof found?.name === 'string'
      ? [{ name: found.name, version: found.version ?? '', description: found.description ?? '' }]
      : [],
  );
}
