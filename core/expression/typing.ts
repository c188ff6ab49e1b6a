// The rules of types: each function makes one piece of an expression of checked pieces, or says why it cannot be. What
// passes here cannot fail for its types when it runs.

import { parseDuration } from '../config/duration.ts';
import { compileRegex, regexFault } from '../config/regex.ts';
import type { MapName, Type } from './names.ts';
import { ExpressionFault } from './tokens.ts';
import type { Arithmetic, Comparison, Constant, Conversion, Expression, TextTest } from './tree.ts';

const WORDS: Readonly<Record<Type, string>> = {
  bool: 'true or false',
  int: 'a whole number',
  double: 'a number',
  string: 'a text',
  duration: 'a duration',
  timestamp: 'a time',
  map: 'a map',
  list: 'a list',
};

/** How what is compared with it is written. */
const HINTS: { readonly [T in Type]?: string } = {
  duration: ": write duration('500ms')",
  timestamp: ": write timestamp('2026-01-31T09:05:07Z')",
};

export function wordFor(type: Type): string {
  return WORDS[type];
}

export function expect(expression: Expression, type: Type, whose: string): Expression {
  if (expression.type === type) return expression;
  throw new ExpressionFault(`${whose} must be ${WORDS[type]}, and this is ${WORDS[expression.type]}`, expression.at);
}

export function logic(kind: 'and' | 'or', left: Expression, right: Expression): Expression {
  const sign = kind === 'and' ? '&&' : '||';
  return {
    kind,
    type: 'bool',
    at: left.at,
    left: expect(left, 'bool', `the left side of ${sign}`),
    right: expect(right, 'bool', `the right side of ${sign}`),
  };
}

export function compare(by: Comparison, left: Expression, right: Expression, at: number): Expression {
  const alike = left.type === right.type || (isNumber(left) && isNumber(right));
  if (!alike) {
    const hint = [left.type, right.type].map((type) => HINTS[type]).find((text) => text !== undefined) ?? '';
    throw new ExpressionFault(`${by} compares ${WORDS[left.type]} with ${WORDS[right.type]}${hint}`, at);
  }
  if (left.type === 'map' || left.type === 'list')
    throw new ExpressionFault(`${by} does not compare ${left.type}s`, at);
  if (left.type === 'bool' && by !== '==' && by !== '!=')
    throw new ExpressionFault(`${by} has no order for ${WORDS.bool}`, at);
  return { kind: 'compare', type: 'bool', at: left.at, by, left, right };
}

export function compute(by: Arithmetic, left: Expression, right: Expression, at: number): Expression {
  if (by === '+' && left.type === 'string' && right.type === 'string')
    return { kind: 'compute', type: 'string', at: left.at, by, left, right };
  const durations = left.type === 'duration' && right.type === 'duration' && (by === '+' || by === '-');
  const numbers = isNumber(left) && left.type === right.type && !(by === '%' && left.type === 'double');
  if (!numbers && !durations)
    throw new ExpressionFault(`${by} does not join ${WORDS[left.type]} and ${WORDS[right.type]}`, at);
  return { kind: 'compute', type: left.type, at: left.at, by, left, right };
}

export function among(item: Expression, where: Expression, at: number): Expression {
  if (where.kind === 'list') {
    if (where.of !== null && item.type !== where.of)
      throw new ExpressionFault(`in looks for ${WORDS[item.type]} in a list of ${where.of}`, at);
    return { kind: 'among', type: 'bool', at: item.at, item, values: where.values };
  }
  if (where.type !== 'map') throw new ExpressionFault(`in looks into a list or a map, not ${WORDS[where.type]}`, at);
  return { kind: 'present', type: 'bool', at: item.at, of: entry(where, item) };
}

/** `map[key]`, `map.key`. */
export function entry(map: Expression, key: Expression): Expression {
  if (map.kind !== 'name' || map.type !== 'map')
    throw new ExpressionFault(`${WORDS[map.type]} has nothing inside it to name`, key.at);
  if (key.kind !== 'constant' || typeof key.value !== 'string')
    throw new ExpressionFault(`what is looked up in ${map.name} must be a text in quotes`, key.at);
  return { kind: 'entry', type: 'string', at: map.at, map: map.name as MapName, key: key.value };
}

export function choose(test: Expression, yes: Expression, no: Expression): Expression {
  expect(test, 'bool', 'what stands before ?');
  expect(no, yes.type, 'what stands after : , like what stands after ?,');
  if (yes.type === 'map' || yes.type === 'list') throw new ExpressionFault(`? does not choose ${yes.type}s`, yes.at);
  return { kind: 'choose', type: yes.type, at: test.at, test, yes, no };
}

export function list(items: readonly Expression[], at: number): Expression {
  const of = items.length === 0 ? null : items[0].type;
  const values: Constant[] = items.map((item) => {
    if (item.kind !== 'constant')
      throw new ExpressionFault('a list holds numbers and texts as they are written', item.at);
    if (item.type !== of) throw new ExpressionFault('what is in a list is all of one type', item.at);
    return item.value;
  });
  return { kind: 'list', type: 'list', at, values, of };
}

const TEXT_TESTS: ReadonlySet<string> = new Set(['startsWith', 'endsWith', 'contains']);
const CONVERSIONS: Readonly<Record<Conversion, { readonly type: Type; readonly from: readonly Type[] }>> = {
  size: { type: 'int', from: ['string', 'list'] },
  string: { type: 'string', from: ['string', 'int', 'double', 'bool'] },
  int: { type: 'int', from: ['int', 'double', 'string'] },
  double: { type: 'double', from: ['int', 'double', 'string'] },
};

/** A function; what it is called upon (`text.matches(...)`) is its first argument. */
export function call(name: string, args: readonly Expression[], at: number): Expression {
  if (name === 'has') return has(args, at);
  if (name === 'duration') return durationOf(args, at);
  if (name === 'timestamp') return timestampOf(args, at);
  if (TEXT_TESTS.has(name)) {
    const [text, part] = exactly(2, name, args, at);
    expect(text, 'string', `what ${name}() is called on`);
    expect(part, 'string', `what ${name}() looks for`);
    return { kind: 'text-test', type: 'bool', at, test: name as TextTest, text, part };
  }
  if (name === 'matches') return matches(args, at);
  if (Object.hasOwn(CONVERSIONS, name)) {
    const [of] = exactly(1, name, args, at);
    const { type, from } = CONVERSIONS[name as Conversion];
    if (!from.includes(of.type)) throw new ExpressionFault(`${name}() does not take ${WORDS[of.type]}`, of.at);
    return { kind: 'convert', type, at, to: name as Conversion, of };
  }
  throw new ExpressionFault(`there is no function ${name}()`, at);
}

function has(args: readonly Expression[], at: number): Expression {
  const [of] = exactly(1, 'has', args, at);
  if (of.kind !== 'name' && of.kind !== 'entry')
    throw new ExpressionFault('has() takes a name: has(request.headers.x)', of.at);
  return { kind: 'present', type: 'bool', at, of };
}

function durationOf(args: readonly Expression[], at: number): Expression {
  const [text] = exactly(1, 'duration', args, at);
  const ms = text.kind === 'constant' && typeof text.value === 'string' ? parseDuration(text.value) : Number.NaN;
  if (Number.isNaN(ms)) throw new ExpressionFault("duration() takes a text like '500ms' or '1m30s'", text.at);
  return { kind: 'constant', type: 'duration', at, value: ms };
}

/** RFC 3339's, with a zone. */
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

function timestampOf(args: readonly Expression[], at: number): Expression {
  const [text] = exactly(1, 'timestamp', args, at);
  const given = text.kind === 'constant' && typeof text.value === 'string' && TIMESTAMP.test(text.value);
  const ms = given ? Date.parse(text.value as string) : Number.NaN;
  if (Number.isNaN(ms)) throw new ExpressionFault("timestamp() takes a text like '2026-01-31T09:05:07Z'", text.at);
  return { kind: 'constant', type: 'timestamp', at, value: ms };
}

function matches(args: readonly Expression[], at: number): Expression {
  const [text, pattern] = exactly(2, 'matches', args, at);
  expect(text, 'string', 'what matches() is called on');
  if (pattern.kind !== 'constant' || typeof pattern.value !== 'string')
    throw new ExpressionFault('the pattern of matches() must be a text in quotes', pattern.at);
  const fault = regexFault(pattern.value);
  if (fault !== null) throw new ExpressionFault(fault, pattern.at);
  return { kind: 'matches', type: 'bool', at, text, pattern: compileRegex(pattern.value) };
}

function exactly(count: number, name: string, args: readonly Expression[], at: number): readonly Expression[] {
  if (args.length === count) return args;
  throw new ExpressionFault(`${name}() has ${args.length} arguments where it takes ${count}`, at);
}

function isNumber({ type }: Expression): boolean {
  return type === 'int' || type === 'double';
}
