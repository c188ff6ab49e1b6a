// A kind as it is typed: 'VirtualService', 'virtualservices', 'vs'.
import { KINDS, kindMeant } from '../core/config/kind-names.ts';
import { CliError, EXIT } from './exit.ts';

/** Throws CliError for a kind that nobody knows. */
export function kindNamed(word: string): string {
  const found = kindMeant(word);
  if (found === null)
    throw new CliError(`there is no kind '${word}'; there are ${Object.keys(KINDS).sort().join(', ')}`, EXIT.usage);
  return found;
}
