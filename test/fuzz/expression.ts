// Fuzzes the expressions of log filters and tags: whatever the text, there is a program that gives a value of its type, or a
// fault of one line that lies inside the text. `node test/fuzz/expression.ts 60` runs for a minute.

import assert from 'node:assert/strict';
import { ATTRIBUTES } from '../../core/attributes.ts';
import { programOf } from '../../core/expression/evaluate.ts';
import type { Type } from '../../core/expression/names.ts';
import { parse } from '../../core/expression/parse.ts';
import { ExpressionFault } from '../../core/expression/tokens.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { exchange } from '../core/telemetry/exchange-record.ts';

const PIECES = [
  ...Object.keys(ATTRIBUTES),
  ...[
    '&&',
    '||',
    '!',
    '==',
    '!=',
    '<',
    '<=',
    '>',
    '>=',
    '+',
    '-',
    '*',
    '/',
    '%',
    '?',
    ':',
    '(',
    ')',
    '[',
    ']',
    ',',
    '.',
  ],
  ...[
    'in',
    'has(',
    'size(',
    'string(',
    'int(',
    'double(',
    "duration('1s')",
    "timestamp('2026-01-31T09:05:07Z')",
    '.matches(',
    '.contains(',
    '.startsWith(',
  ],
  ...[
    'true',
    'false',
    '0',
    '1',
    '500',
    '1.5',
    '1e300',
    '0x1f',
    '"a"',
    "'\\x41'",
    'r"\\"',
    '"(a|b)*"',
    "['x']",
    '[1, 2]',
  ],
  ...['\\', '"', "'", '\0', 'é', ' ', '\n', 'foo', '__proto__', 'constructor', '.toString'],
];
const TYPE_OF: Readonly<Record<Exclude<Type, 'map' | 'list'>, string>> = {
  bool: 'boolean',
  int: 'number',
  double: 'number',
  duration: 'number',
  timestamp: 'number',
  string: 'string',
};
const RECORD = exchange();

/** A generator of numbers in [0, 1) that is the same for a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How many of `count` texts were expressions. */
export function fuzz(seed: number, count: number): number {
  const random = seeded(seed);
  const pick = (): string => PIECES[Math.floor(random() * PIECES.length)];
  let good = 0;
  for (let i = 0; i < count; i++) {
    let text = '';
    for (let pieces = 1 + Math.floor(random() ** 3 * 40); pieces > 0; pieces--)
      text += random() < 0.7 ? `${pick()} ` : pick();
    if (isExpression(text)) good++;
  }
  return good;
}

export function isExpression(text: string): boolean {
  try {
    const expression = parse(text);
    const value = programOf(expression)(RECORD);
    const { type } = expression;
    if (value !== undefined && type !== 'map' && type !== 'list') assert.equal(typeof value, TYPE_OF[type], text);
    return true;
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw new Error(`on ${JSON.stringify(text)}`, { cause: error });
    assert.ok(error.at >= 0 && error.at <= text.length, text);
    assert.ok(!error.message.includes('\n'), text);
    return false;
  }
}

if (import.meta.main) {
  tellUsage('node test/fuzz/expression.ts [SECONDS]');
  const end = Date.now() + 1000 * Number(process.argv[2] ?? 10);
  let [seed, good] = [1, 0];
  for (; Date.now() < end; seed++) good += fuzz(seed, 1000);
  console.log(`${(seed - 1) * 1000} texts, ${good} of them expressions`);
}
