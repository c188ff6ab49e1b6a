// Random damage to sound configuration: decoding never throws, tells one-line problems with places, and what it accepts
// decodes again to the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { decodeResource, decodeYaml, formatProblem } from '../../../core/config/decode.ts';
import { crossCheck } from '../../../core/config/validate.ts';
import { EVERYTHING } from './everything.ts';

const DOCUMENTS = EVERYTHING.split('\n---\n');
const OBJECTS = decodeYaml(EVERYTHING).resources;

/** mulberry32: the same damage in every run; WEFT_FUZZ_SEED tries others. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const SEED = Number(process.env.WEFT_FUZZ_SEED ?? 1);
const SNIPPETS = [
  '[',
  ']',
  '{',
  '}',
  ': ',
  '- ',
  '\n',
  '"',
  "'",
  '*a',
  '&a ',
  '!!binary ',
  '|',
  '#',
  '\t',
  '---\n',
  '<<: ',
  '? ',
  '\u0000',
  '\ud800',
  '__proto__: 1',
  '~',
];
const VALUES: readonly unknown[] = [
  null,
  undefined,
  true,
  -1,
  0,
  1.5,
  1e300,
  Number.NaN,
  '',
  'x',
  '*',
  '(',
  '\u0000',
  [],
  [null],
  {},
  { a: 1 },
  { exact: 'a', prefix: 'b' },
  () => 1,
  1n,
  Symbol('s'),
];

function damageText(text: string, next: (below: number) => number): string {
  let damaged = text;
  for (let i = next(3); i >= 0; i--) {
    const at = next(damaged.length);
    // One letter or digit for another often leaves YAML that is sound, and reaches what lies behind the parser.
    const gentle = next(3) > 0;
    if (gentle && !/[a-z0-9]/i.test(damaged[at])) continue;
    const length = gentle ? 1 : next(3) === 0 ? next(30) : next(3);
    const copied = damaged.slice(next(damaged.length + 1)).slice(0, next(12));
    const put = gentle ? 'az09A'[next(5)] : next(2) === 0 ? SNIPPETS[next(SNIPPETS.length)] : copied;
    damaged = damaged.slice(0, at) + put + damaged.slice(at + length);
  }
  return damaged;
}

/** A copy in which one value, somewhere, is another one, or one field has another name. */
function damageObject(value: unknown, next: (below: number) => number): unknown {
  if (typeof value !== 'object' || value === null || next(6) === 0) return VALUES[next(VALUES.length)];
  if (Array.isArray(value)) {
    const at = next(value.length + 1);
    return at === value.length
      ? [...value, VALUES[next(VALUES.length)]]
      : value.with(at, damageObject(value[at], next));
  }
  const names = Object.keys(value);
  if (names.length === 0) return VALUES[next(VALUES.length)];
  const name = names[next(names.length)];
  const fields = value as Record<string, unknown>;
  if (next(8) > 0) return { ...fields, [name]: damageObject(fields[name], next) };
  const { [name]: moved, ...rest } = fields;
  return { ...rest, [['constructor', 'hasOwnProperty', `${name}s`, name.toUpperCase(), ''][next(5)]]: moved };
}

function checkLine(line: string, input: unknown): void {
  assert.doesNotMatch(line, /\p{Cc}/u, `one printable line: ${JSON.stringify(line)} for ${String(input)}`);
}

test('damaged text never throws; what is left of it is sound', () => {
  const next = random(SEED);
  let accepted = 0;
  let refused = 0;
  for (let round = 0; round < 1500; round++) {
    const text = damageText(DOCUMENTS[next(DOCUMENTS.length)], next);
    const { resources, problems } = decodeYaml(text, 'fuzz.yaml');
    for (const problem of problems) {
      checkLine(formatProblem(problem), text);
      assert.ok((problem.line ?? 0) >= 1 && (problem.column ?? 0) >= 1, text);
    }
    for (const resource of resources) {
      const again = decodeResource(JSON.parse(JSON.stringify(resource)));
      assert.ok(isDeepStrictEqual(again, { resource, problems: [] }), text);
    }
    crossCheck(resources);
    if (problems.length > 0) refused++;
    else accepted++;
  }
  assert.ok(
    refused > 250 && accepted > 50,
    `${refused} refused, ${accepted} accepted: the damage is neither all nor nothing`,
  );
});

test('damaged objects never throw; a refused one has a problem, an accepted one is sound', () => {
  const next = random(SEED + 1);
  let refused = 0;
  for (let round = 0; round < 5000; round++) {
    const object = damageObject(OBJECTS[next(OBJECTS.length)], next);
    const { resource, problems } = decodeResource(object);
    for (const problem of problems) checkLine(formatProblem(problem), object);
    if (resource === null) {
      refused++;
      assert.ok(problems.some(({ severity }) => severity === 'error'));
    } else {
      const again = decodeResource(JSON.parse(JSON.stringify(resource)));
      assert.ok(isDeepStrictEqual(again, { resource, problems: [] }), JSON.stringify(resource));
      crossCheck([resource]);
    }
  }
  assert.ok(refused > 500 && refused < 4950, `${refused} refused`);
});
