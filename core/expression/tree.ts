// What a checked expression is made of. Types only.

import type { RE2JS } from 're2js';
import type { MapName, Name, Type } from './names.ts';

export type Constant = string | number | boolean;
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type Arithmetic = '+' | '-' | '*' | '/' | '%';
export type TextTest = 'startsWith' | 'endsWith' | 'contains';
export type Conversion = 'size' | 'string' | 'int' | 'double';

/** `at` is where it begins in the text, from 0. Durations are milliseconds. */
export type Expression = { readonly type: Type; readonly at: number } & (
  | { readonly kind: 'constant'; readonly value: Constant }
  | { readonly kind: 'list'; readonly values: readonly Constant[]; readonly of: Type | null }
  | { readonly kind: 'name'; readonly name: Name }
  | { readonly kind: 'entry'; readonly map: MapName; readonly key: string }
  | { readonly kind: 'present'; readonly of: Expression }
  | { readonly kind: 'not' | 'negate'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'compare'; readonly by: Comparison; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'compute'; readonly by: Arithmetic; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'among'; readonly item: Expression; readonly values: readonly Constant[] }
  | { readonly kind: 'choose'; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly kind: 'text-test'; readonly test: TextTest; readonly text: Expression; readonly part: Expression }
  | { readonly kind: 'matches'; readonly text: Expression; readonly pattern: RE2JS }
  | { readonly kind: 'convert'; readonly to: Conversion; readonly of: Expression }
);
