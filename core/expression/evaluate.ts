// A checked expression -> a closure over an exchange's record, made once for a snapshot. As in CEL, what asks for something
// that is not there has no value (undefined here), and `&&` and `||` do without it when the other side decides.

import { ATTRIBUTES, type Attribute } from '../attributes.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import type { Type } from './names.ts';
import type { Constant, Expression } from './tree.ts';

export type Evaluated = Constant | undefined;
export type Program = (record: ExchangeRecord) => Evaluated;

/** True only where the condition holds: neither where it does not, nor where it has no value. */
export function conditionOf(expression: Expression): (record: ExchangeRecord) => boolean {
  const program = programOf(expression);
  return (record) => program(record) === true;
}

/** What it comes to as text, or null. Durations are in seconds, as 0.25s; timestamps as RFC 3339 has them. */
export function printed(expression: Expression): (record: ExchangeRecord) => string | null {
  const program = programOf(expression);
  const print = PRINT[expression.type] ?? String;
  return (record) => {
    const value = program(record);
    return value === undefined ? null : print(value);
  };
}

const PRINT: { readonly [T in Type]?: (value: Constant) => string } = {
  duration: (value) => `${Number(value) / 1000}s`,
  timestamp: (value) => new Date(Number(value)).toISOString(),
};

export function programOf(expression: Expression): Program {
  switch (expression.kind) {
    case 'constant': {
      const { value } = expression;
      return () => value;
    }
    case 'list':
      return () => undefined;
    case 'name':
      return named(ATTRIBUTES[expression.name]);
    case 'entry':
      return ATTRIBUTES[expression.map].entry(expression.key);
    case 'present': {
      const of = programOf(expression.of);
      return (record) => of(record) !== undefined;
    }
    case 'not': {
      const of = programOf(expression.of);
      return (record) => {
        const value = of(record);
        return value === undefined ? undefined : value !== true;
      };
    }
    case 'negate': {
      const of = programOf(expression.of);
      return (record) => {
        const value = of(record);
        return value === undefined ? undefined : -(value as number);
      };
    }
    case 'and':
    case 'or':
      return decided(expression.kind === 'or', programOf(expression.left), programOf(expression.right));
    case 'compare':
      return comparison(expression);
    case 'compute':
      return computation(expression);
    case 'among': {
      const item = programOf(expression.item);
      const values = new Set(expression.values);
      return (record) => {
        const value = item(record);
        return value === undefined ? undefined : values.has(value);
      };
    }
    case 'choose': {
      const [test, yes, no] = [expression.test, expression.yes, expression.no].map(programOf);
      return (record) => {
        const chosen = test(record);
        return chosen === undefined ? undefined : chosen === true ? yes(record) : no(record);
      };
    }
    case 'text-test':
      return textTest(expression);
    case 'matches': {
      const of = programOf(expression.text);
      const { pattern } = expression;
      return (record) => {
        const value = of(record);
        return value === undefined ? undefined : pattern.matcher(value as string).find();
      };
    }
    case 'convert':
      return conversion(expression);
  }
}

/** A map is there, whatever is in it. */
function named(attribute: Attribute): Program {
  return attribute.type === 'map' ? () => true : attribute.read;
}

/** `&&` is decided by false, `||` by true, on whichever side. */
function decided(by: boolean, left: Program, right: Program): Program {
  return (record) => {
    const first = left(record);
    if (first === by) return by;
    const second = right(record);
    if (second === by) return by;
    return first === undefined || second === undefined ? undefined : !by;
  };
}

function comparison(expression: Expression & { kind: 'compare' }): Program {
  const left = programOf(expression.left);
  const right = programOf(expression.right);
  const compared = (holds: (a: Constant, b: Constant) => boolean): Program => {
    return (record) => {
      const a = left(record);
      if (a === undefined) return undefined;
      const b = right(record);
      return b === undefined ? undefined : holds(a, b);
    };
  };
  switch (expression.by) {
    case '==':
      return compared((a, b) => a === b);
    case '!=':
      return compared((a, b) => a !== b);
    case '<':
      return compared((a, b) => a < b);
    case '<=':
      return compared((a, b) => a <= b);
    case '>':
      return compared((a, b) => a > b);
    case '>=':
      return compared((a, b) => a >= b);
  }
}

function computation(expression: Expression & { kind: 'compute' }): Program {
  const left = programOf(expression.left);
  const right = programOf(expression.right);
  const whole = expression.type === 'int';
  const { by } = expression;
  if (expression.type === 'string') {
    return (record) => {
      const a = left(record);
      const b = right(record);
      return a === undefined || b === undefined ? undefined : (a as string) + (b as string);
    };
  }
  return (record) => {
    const a = left(record) as number | undefined;
    const b = right(record) as number | undefined;
    if (a === undefined || b === undefined) return undefined;
    if (by === '+') return a + b;
    if (by === '-') return a - b;
    if (by === '*') return a * b;
    if (whole && b === 0) return undefined;
    if (by === '%') return a % b;
    return whole ? Math.trunc(a / b) : a / b;
  };
}

function textTest({ test, text, part }: Expression & { kind: 'text-test' }): Program {
  const of = programOf(text);
  const wanted = programOf(part);
  return (record) => {
    const value = of(record) as string | undefined;
    const sought = wanted(record) as string | undefined;
    if (value === undefined || sought === undefined) return undefined;
    if (test === 'startsWith') return value.startsWith(sought);
    return test === 'endsWith' ? value.endsWith(sought) : value.includes(sought);
  };
}

function conversion({ to, of }: Expression & { kind: 'convert' }): Program {
  if (of.kind === 'list') {
    const { length } = of.values;
    return () => length;
  }
  const read = programOf(of);
  return (record) => {
    const value = read(record);
    if (value === undefined) return undefined;
    if (to === 'string') return String(value);
    if (to === 'size') return [...(value as string)].length;
    return numberFrom(value, to === 'int');
  };
}

function numberFrom(value: Constant, whole: boolean): number | undefined {
  const number =
    typeof value === 'string' && !/^-?(?:\d+|\d*\.\d+)(?:[eE][+-]?\d+)?$/.test(value) ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) return undefined;
  if (!whole) return number;
  if (typeof value === 'string' && !/^-?\d+$/.test(value)) return undefined;
  return Math.trunc(number);
}
