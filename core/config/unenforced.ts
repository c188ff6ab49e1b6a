// What a resource asks for and does not get, by what its kind's schema says of each field. It is reported whenever the
// resource is applied, so that nobody believes in a rule that nothing follows.

import { KINDS, type KindName } from './kind-names.ts';
import { kindName, type Problem, type Resource, resourceKey } from './resource.ts';
import { EFFECT, type Effect, RULES, type Rules, type TSchema } from './schema.ts';
import { type Path, pointer } from './walk.ts';

/** Warnings, one for each thing, with the first place where it is asked for. */
export function unenforced(resource: Resource): Problem[] {
  const { spec } = KINDS[kindName(resource) as KindName];
  const { namespace, name } = resource.metadata;
  const who = `${resource.kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
  const found = new Map<string, Path>();
  if (effectOf(spec)?.kind === 'none') found.set(`kind ${resource.kind} of ${resource.apiVersion}`, []);
  else visit(spec, resource.spec, 'spec', ['spec'], found);
  return [...found].map(([what, path]) => ({
    severity: 'warning',
    code: 'not_enforced',
    message: `not enforced yet: ${what} (${who})`,
    resource: resourceKey(resource),
    pointer: pointer(path),
  }));
}

function visit(schema: TSchema, value: unknown, field: string, path: Path, found: Map<string, Path>): void {
  const effect = effectOf(schema);
  if (effect !== undefined) {
    const what = effect.unenforced(value);
    const given = !Array.isArray(value) || value.length > 0;
    const name = what === '' ? field : what;
    if (name !== null && given && !found.has(name)) found.set(name, path);
    if (effect.kind !== 'partial') return;
  }
  const rules = (schema as { [RULES]: Rules })[RULES];
  if (rules.type === 'array') {
    (value as readonly unknown[]).forEach((item, i) => {
      visit(rules.items, item, field, [...path, i], found);
    });
  } else if (rules.type === 'object' || rules.type === 'map') {
    for (const [name, inner] of Object.entries(value as Record<string, unknown>)) {
      const its = rules.type === 'map' ? rules.value : rules.fields.get(name)!;
      visit(its, inner, name, [...path, name], found);
    }
  }
}

function effectOf(schema: TSchema): Effect | undefined {
  return (schema as { [EFFECT]?: Effect })[EFFECT];
}
