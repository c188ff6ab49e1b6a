// Each field that a kind calls enforced changes what becomes of a mesh: two configurations that differ in it alone are compiled
// otherwise. The meshes of everything give the first of each two; rows.ts gives both where they do not show it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { decodeResources } from '../../../../core/config/decode.ts';
import { KINDS, type KindName } from '../../../../core/config/kind-names.ts';
import { kindName, type Resource } from '../../../../core/config/resource.ts';
import { RULES, type Rules, type TSchema } from '../../../../core/config/schema.ts';
import { unenforced } from '../../../../core/config/unenforced.ts';
import { effectOf, fieldsOf } from '../fields.ts';
import { Fingerprints } from './fingerprint.ts';
import { MESHES } from './meshes.ts';
import { Outcomes } from './outcomes.ts';
import type { Row } from './row.ts';
import { OTHERS, ROWS } from './rows.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const prints = new Fingerprints();
const outcomes = new Outcomes(prints);
after(() => prints.close());

/** What only a request or an answer from outside shows, with the test that has it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'WasmPlugin verificationKey': 'test/control/wasm-plugins.test.ts',
};

for (const name of Object.keys(KINDS) as KindName[]) {
  const rows = ROWS.filter(({ kind }) => kind === name);
  const [fields, partial] = enforcedIn(KINDS[name].spec);
  suite(`what changes with each field of ${name}`, () => {
    for (const field of fields) {
      test(`${field} changes what is done`, async () => {
        const file = ELSEWHERE[`${name} ${field}`];
        if (file !== undefined) {
          assert.match(readFileSync(join(ROOT, file), 'utf8'), new RegExp(`\\b${field}\\b`));
          return;
        }
        const row = rows.find((each) => each.field === field);
        if (row !== undefined) {
          await judge(row, partial.has(field));
          return;
        }
        for (const change of [another, leftOut]) {
          for (const mesh of MESHES) {
            for (const changed of changedIn(mesh, name, field, change)) {
              if (await outcomes.differ(mesh, changed)) return;
            }
          }
        }
        assert.fail(
          'no mesh of everything is another without it or with another value: it changes nothing, or needs a row',
        );
      });
    }

    test('has rows for nothing else', () => {
      assert.deepEqual(
        rows.map(({ field }) => field).filter((field) => !fields.includes(field)),
        [],
      );
    });
  });
}

/** Where a field is enforced for some of its values, being told of the others is what the field does as well. */
async function judge(row: Row, partly: boolean): Promise<void> {
  const [one, other] = row.values.map((value) => decodeResources(documentsOf(row, value)));
  const errors = [one, other].map(({ problems }) => problems.filter(({ severity }) => severity === 'error'));
  assert.deepEqual(errors[0], []);
  const said = `with ${JSON.stringify(row.values)}`;
  if (row.refused === true) {
    assert.equal(errors[1].length, 1, `the second is taken ${said}`);
    return;
  }
  assert.deepEqual(errors[1], []);
  const told = [one, other].map(({ resources }) => resources.flatMap(unenforced).length);
  const differ = (partly && told[0] !== told[1]) || (await outcomes.differ(one.resources, other.resources));
  assert.ok(differ, `the same ${said}`);
}

/** Those that hold a value, not what they are parts of: a list is one, too, and so is a map. And those of them in part. */
function enforcedIn(spec: TSchema): [fields: string[], partial: ReadonlySet<string>] {
  const partial = new Set<string>();
  const fields = [...fieldsOf(spec)].flatMap(([path, schema]) => {
    const kind = effectOf(schema)?.kind ?? 'enforced';
    const { type } = (schema as { [RULES]?: Rules })[RULES]!;
    // Also where what it stands in is told of as a whole.
    if (kind === 'partial' || [...partial].some((outer) => path.startsWith(outer))) partial.add(path);
    return (kind === 'enforced' || kind === 'partial') && type !== 'object' && !/[\]}]$/.test(path) ? [path] : [];
  });
  return [fields, partial];
}

type Holder = Record<string, unknown>;

function leftOut(holder: Holder, name: string): void {
  delete holder[name];
}

function another(holder: Holder, name: string, other: unknown): void {
  const value = holder[name];
  if (other !== undefined) holder[name] = other;
  else if (typeof value === 'string' && /^\d+(ms|s|m|h)$/.test(value)) holder[name] = '7s';
  else if (typeof value === 'number') holder[name] = value + 1;
  else if (typeof value === 'boolean') holder[name] = !value;
  else if (typeof value === 'string') holder[name] = `${value}x`;
  else if (Array.isArray(value)) holder[name] = value.length === 1 ? [`${value[0]}x`] : value.slice(1);
}

/** The mesh with another value in the place of one of those that it gives the field; each that is a valid mesh. */
function* changedIn(
  mesh: readonly Resource[],
  kind: KindName,
  field: string,
  change: typeof another,
): Generator<readonly Resource[]> {
  const path = partsOf(field);
  for (const [i, resource] of mesh.entries()) {
    if (kindName(resource) !== kind) continue;
    const count = holdersIn(resource.spec, path).length;
    for (let place = 0; place < count; place++) {
      const spec = structuredClone(resource.spec);
      change(holdersIn(spec, path)[place], path.at(-1)!, OTHERS[`${kind} ${field}`]);
      const changed = mesh.with(i, { ...resource, spec });
      if (isValid(changed[i])) yield changed;
    }
  }
}

function isValid(resource: Resource): boolean {
  return decodeResources([resource]).problems.every(({ severity }) => severity !== 'error');
}

function documentsOf({ kind, field, mesh }: Row, value: unknown): readonly object[] {
  const documents = structuredClone(mesh) as { kind: string; spec: Holder }[];
  const path = partsOf(field);
  const { spec } = documents.find((each) => each.kind === KINDS[kind].kind)!;
  let holder = spec;
  for (const part of path.slice(0, -1)) {
    const any = part === '[]' || part === '{}';
    if (!any) holder[part] ??= {};
    holder = (any ? Object.values(holder)[0] : holder[part]) as Holder;
  }
  if (value === undefined) delete holder[path.at(-1)!];
  else holder[path.at(-1)!] = value;
  return documents;
}

/** 'a[].b{}.c' -> a [] b {} c */
function partsOf(field: string): string[] {
  return field.replaceAll(/(\[\]|\{\})/g, '.$1').split('.');
}

function holdersIn(value: unknown, [part, ...rest]: readonly string[]): Holder[] {
  if (typeof value !== 'object' || value === null) return [];
  if (rest.length === 0) return Object.hasOwn(value, part) ? [value as Holder] : [];
  const next = part === '[]' || part === '{}' ? Object.values(value) : [(value as Holder)[part]];
  return next.flatMap((each) => holdersIn(each, rest));
}
