// A kind as it is typed: 'VirtualService', 'virtualservices', 'vs'.
import { meansKind } from '../control/kind-names.ts';
import { KINDS } from '../core/config/kinds.ts';
import { CliError, EXIT } from './exit.ts';

/** Throws CliError for a kind that nobody knows. */
export function kindNamed(word: string): string {
  const kinds = Object.keys(KINDS);
  const found = kinds.find((kind) => meansKind(word, kind));
  if (found === undefined)
    throw new CliError(`there is no kind '${word}'; there are ${kinds.sort().join(', ')}`, EXIT.usage);
  return found;
}
