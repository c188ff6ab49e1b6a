// The fields of a schema and of a value by their paths, as 'http[].match[].headers{}.exact', and a value that notes which of
// its fields are read.

import { EFFECT, type Effect, RULES, type Rules, type TSchema } from '../../../core/config/schema.ts';

export function effectOf(schema: TSchema): Effect | null {
  return (schema as { [EFFECT]?: Effect })[EFFECT] ?? null;
}

/** Every field, item of a list and value of a map; not those inside one that is not enforced, or that only informs. */
export function fieldsOf(schema: TSchema, path = '', found = new Map<string, TSchema>()): Map<string, TSchema> {
  const kind = effectOf(schema)?.kind;
  if (kind === 'none' || kind === 'informative') return found;
  for (const [part, inner] of partsOf(schema)) {
    const at = join(path, part);
    found.set(at, inner);
    fieldsOf(inner, at, found);
  }
  return found;
}

/** Each value that is given, with its path. */
export function* valuesIn(schema: TSchema, value: unknown, path = ''): Generator<readonly [string, unknown]> {
  for (const [name, part, inner] of given(schema, value)) {
    const at = join(path, part);
    const its = (value as Record<string, unknown>)[name];
    yield [at, its];
    yield* valuesIn(inner, its, at);
  }
}

/** A copy that adds to `read` the path of each value that is asked for. */
export function recorded<Value>(schema: TSchema, value: Value, read: Set<string>, path = ''): Value {
  if (typeof value !== 'object' || value === null) return value;
  const parts = new Map(given(schema, value).map(([name, part, inner]) => [name, { at: join(path, part), inner }]));
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  for (const [name, { at, inner }] of parts) copy[name] = recorded(inner, copy[name], read, at);
  return new Proxy(copy, {
    get(target, name) {
      const part = typeof name === 'string' ? parts.get(name) : undefined;
      if (part !== undefined) read.add(part.at);
      return Reflect.get(target, name);
    },
  }) as Value;
}

/** 'name' of a field, '[]' of a list's items, '{}' of a map's values, each with its schema. */
function partsOf(schema: TSchema): [string, TSchema][] {
  const rules = (schema as { [RULES]: Rules })[RULES];
  if (rules.type === 'object') return [...rules.fields];
  if (rules.type === 'array') return [['[]', rules.items]];
  return rules.type === 'map' ? [['{}', rules.value]] : [];
}

/** The keys of a value, each with its part of the schema. */
function given(schema: TSchema, value: unknown): [string, string, TSchema][] {
  if (typeof value !== 'object' || value === null) return [];
  return partsOf(schema).flatMap(([part, inner]) => {
    const keys = part === '[]' || part === '{}' ? Object.keys(value) : Object.hasOwn(value, part) ? [part] : [];
    return keys.map((key): [string, string, TSchema] => [key, part, inner]);
  });
}

function join(path: string, part: string): string {
  return path === '' || part === '[]' || part === '{}' ? `${path}${part}` : `${path}.${part}`;
}
