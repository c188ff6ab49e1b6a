// Kinds and resources as people type them: 'vs reviews', 'VirtualService/reviews', and 'VirtualService/default/reviews', which
// mesh itself prints. What is unknown is told with the known name that is nearest.
import { KINDS, kindMeant } from '../core/config/kind-names.ts';
import type { Resource } from '../core/config/resource.ts';
import { closest } from '../core/config/spelling.ts';
import { CliError, EXIT } from './exit.ts';

/** Of one kind; `name` undefined: all of it. `namespace` undefined: any, or what an option says. */
export interface Named {
  readonly kind: string;
  readonly namespace?: string;
  readonly name?: string;
}

/** Throws CliError for a kind that nobody knows. */
export function kindNamed(word: string): string {
  const found = kindMeant(word);
  if (found !== null) return found;
  const names = Object.values(KINDS).flatMap(({ name, shortNames = [] }) => [name, ...shortNames]);
  const hint = didYouMean(word, names) || `; there are ${Object.keys(KINDS).sort().join(', ')}`;
  throw new CliError(`there is no kind '${word}'${hint}`, EXIT.usage);
}

/** `words`: a kind and perhaps names of it, or KIND/NAME and KIND/NAMESPACE/NAME, which may be several of different kinds. */
export function named(words: readonly string[]): Named[] {
  const [first, ...names] = words;
  if (!first.includes('/')) {
    const kind = kindNamed(first);
    return names.length === 0 ? [{ kind }] : names.map((name) => ({ kind, name }));
  }
  return words.map((word) => {
    const parts = word.split('/');
    if (parts.length < 2 || parts.length > 3) {
      throw new CliError(`'${word}' is neither KIND/NAME nor KIND/NAMESPACE/NAME`, EXIT.usage);
    }
    const [kind, ...rest] = parts;
    const name = rest.at(-1);
    if (name === '') throw new CliError(`'${word}' names no resource`, EXIT.usage);
    return { kind: kindNamed(kind), namespace: rest.length === 2 ? rest[0] : undefined, name };
  });
}

/** What to say of a resource that is not among those of its kind. */
export function doesNotExist({ kind, namespace, name = '' }: Named, among: readonly Resource[]): string {
  const where = namespace === undefined ? '' : `${namespace}/`;
  const elsewhere = among.find(({ metadata }) => metadata.name === name);
  const hint =
    elsewhere !== undefined
      ? `; there is one in the namespace ${elsewhere.metadata.namespace}`
      : didYouMean(
          name,
          among.map(({ metadata }) => metadata.name),
        );
  return `${kind}/${where}${name} does not exist${hint}`;
}

/** '; did you mean ...?', or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const nearest = closest(word, known);
  return nearest === null ? '' : `; did you mean '${nearest}'?`;
}
