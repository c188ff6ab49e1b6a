// What a fixture expects of a text: exactly this, a pattern, a part, or that there is none.
import type { Placed } from './placed.ts';

export interface Matcher {
  /** For people: '"blue"', 'matches /^b/'. */
  readonly wanted: string;
  /** `values`: of a header those of its name, else the one text or none. */
  accepts(values: readonly string[]): boolean;
}

/** A text; a list of texts; or one of { matches: PATTERN }, { contains: TEXT }, { absent: true }. */
export function matcher(from: Placed, what: string): Matcher {
  if (from.isText) return exactly([from.text(what)]);
  if (from.isList) return exactly(from.items(what).map((item) => item.text(what)));
  const { matches, contains, absent } = from.fields(what, ['matches', 'contains', 'absent']);
  const given = [matches, contains, absent].filter((one) => one !== undefined);
  if (given.length !== 1) {
    if (from.isMap) from.refuse(`${what} is a text, or one of matches, contains, absent`);
    return exactly([]);
  }
  if (matches !== undefined) return pattern(matches, what);
  if (contains !== undefined) {
    const part = contains.text(what);
    return { wanted: `contains ${JSON.stringify(part)}`, accepts: (values) => joined(values)?.includes(part) === true };
  }
  if (absent?.flag('absent') === false) absent.refuse('absent is true, or left out');
  return { wanted: 'absent', accepts: (values) => values.length === 0 };
}

export function describe(values: readonly string[]): string {
  // Of a text with several lines each is to be seen.
  if (values.length === 1 && values[0].includes('\n')) return values[0];
  return values.length === 0 ? 'absent' : values.map((value) => JSON.stringify(value)).join(', ');
}

function exactly(wanted: readonly string[]): Matcher {
  return {
    wanted: describe(wanted),
    accepts: (values) => values.length === wanted.length && wanted.every((value, at) => value === values[at]),
  };
}

function pattern(from: Placed, what: string): Matcher {
  const text = from.text(what);
  let expression = /$^/;
  try {
    expression = new RegExp(text, 's');
  } catch (error) {
    from.refuse((error as Error).message);
  }
  return {
    wanted: `matches /${text}/`,
    accepts: (values) => {
      const value = joined(values);
      return value !== null && expression.test(value);
    },
  };
}

/** As a filter reads a repeated header. */
function joined(values: readonly string[]): string | null {
  return values.length === 0 ? null : values.join(', ');
}
