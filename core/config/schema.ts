// Builders of configuration schemas: TypeBox's types over plain JSON Schema objects, without loading TypeBox (23 MB of
// memory and 95 ms that a proxy does not have to spend). What JSON Schema cannot say (oneofs, names that stand for others,
// checks between fields) lies beside it under the RULES symbol, for walk.ts.

import type {
  Static,
  TArray,
  TBoolean,
  TEnum,
  TInteger,
  TNumber,
  TObject,
  TOptional,
  TProperties,
  TRecord,
  TSchema,
  TString,
  TUnion,
  TUnknown,
} from 'typebox';

export type { Static, TSchema } from 'typebox';

/** Where a check between fields tells what is wrong. `path` is relative to the checked value. */
export interface Report {
  error(path: readonly (string | number)[], code: string, message: string): void;
  warning(path: readonly (string | number)[], code: string, message: string): void;
}

export interface ObjectRules<Value = never> {
  /** Sets of fields of which at most one may be given. */
  readonly atMostOne?: readonly (readonly string[])[];
  /** Sets of fields of which exactly one has to be given. */
  readonly exactlyOne?: readonly (readonly string[])[];
  /** Other spellings that are taken for a field. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Fields that are accepted and dropped; 'any': all those that are not named in the schema. */
  readonly ignore?: readonly string[] | 'any';
  /** Runs when the value's fields are sound. */
  readonly check?: (value: Value, report: Report) => void;
}

export interface StringRules {
  readonly code: string;
  /** What is wrong with the text, or null. */
  readonly check: (text: string) => string | null;
}

export type Rules =
  | {
      readonly type: 'object';
      readonly fields: ReadonlyMap<string, TSchema>;
      readonly required: readonly string[];
      readonly defaults: readonly (readonly [string, unknown])[];
      readonly ignored: ReadonlySet<string> | 'any';
      readonly aliases: ReadonlyMap<string, string>;
      readonly rules: ObjectRules;
    }
  | { readonly type: 'map'; readonly key: StringRules | null; readonly value: TSchema }
  | { readonly type: 'array'; readonly items: TSchema; readonly min: number }
  | { readonly type: 'string'; readonly rules: StringRules | null }
  | { readonly type: 'enum'; readonly values: readonly string[] }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'number'; readonly min: number; readonly max: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'integerOrString'; readonly min: number; readonly max: number }
  | { readonly type: 'struct' }
  | { readonly type: 'structOrString' };

export const RULES = Symbol('rules');
export const EFFECT = Symbol('effect');

/** What of a field takes effect. A field that says nothing is enforced, whatever is in it. */
export interface Effect {
  /**
   * `none`: nothing reads it. `partial`: of its values, some are not enforced. `informative`: it tells people something and
   * asks nothing of a proxy.
   */
  readonly kind: 'none' | 'partial' | 'informative';
  /** What people call that which this value asks for and does not get; null: it gets all. */
  unenforced(value: unknown): string | null;
}

type TMap<Value extends TSchema> = TRecord<'^.*$', Value>;

/** An object of exactly these fields. */
export function object<Properties extends TProperties>(
  properties: Properties,
  rules: ObjectRules<Static<TObject<Properties>>> = {},
): TObject<Properties> {
  const fields = new Map(Object.entries(properties));
  const required = [...fields]
    .filter(([, schema]) => !isOptional(schema) && !('default' in schema))
    .map(([name]) => name);
  const json: Record<string, unknown> = { type: 'object', properties, additionalProperties: rules.ignore === 'any' };
  if (required.length > 0) json.required = required;
  return build('Object', json, {
    type: 'object',
    fields,
    required,
    defaults: [...fields].flatMap(([name, schema]) => ('default' in schema ? [[name, schema.default] as const] : [])),
    ignored: rules.ignore === 'any' ? 'any' : new Set(rules.ignore),
    aliases: new Map(Object.entries(rules.aliases ?? {})),
    rules: rules as ObjectRules,
  });
}

/** A field that may be left out. */
export function optional<Type extends TSchema>(schema: Type): TOptional<Type> {
  let marked = optionals.get(schema);
  if (marked === undefined) {
    marked = copy(schema);
    Object.defineProperty(marked, '~optional', { value: true });
    optionals.set(schema, marked);
  }
  return marked as TOptional<Type>;
}

/** A field that has a value when it is left out. */
export function defaulted<Type extends TSchema>(schema: Type, value: Static<Type>): Type {
  return Object.assign(copy(schema), { default: Object.freeze(value) });
}

/**
 * A field that is accepted and that nothing reads, with all that is in it: it is reported wherever it is given, as `what`,
 * or by its own name. A function says it of a value, and null of one that asks for what happens anyway.
 */
export function notEnforced<Type extends TSchema>(
  schema: Type,
  what: string | ((value: Static<Type>) => string | null) = '',
): Type {
  return withEffect(schema, 'none', typeof what === 'function' ? what : () => what);
}

/** A field that is enforced but for some of its values: `what` says what of a value is not, or null. */
export function partly<Type extends TSchema>(schema: Type, what: (value: Static<Type>) => string | null): Type {
  return withEffect(schema, 'partial', what);
}

/** A field that describes something to people or tools, with all that is in it, and asks nothing of a proxy. */
export function informative<Type extends TSchema>(schema: Type): Type {
  return withEffect(schema, 'informative', () => null);
}

function withEffect<Type extends TSchema>(
  schema: Type,
  kind: Effect['kind'],
  what: (value: never) => string | null,
): Type {
  const effect: Effect = { kind, unenforced: what as Effect['unenforced'] };
  return Object.defineProperty(copy(schema), EFFECT, { value: effect });
}

function copy<Type extends TSchema>(schema: Type): Type {
  return Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema)) as Type;
}

const optionals = new WeakMap<TSchema, TSchema>();

function isOptional(schema: TSchema): boolean {
  return Object.hasOwn(schema, '~optional');
}

export function array<Item extends TSchema>(items: Item, min = 0): TArray<Item> {
  const json = min > 0 ? { type: 'array', items, minItems: min } : { type: 'array', items };
  return build('Array', json, { type: 'array', items, min });
}

/** A map from text to values. */
export function map<Value extends TSchema>(value: Value, key: StringRules | null = null): TMap<Value> {
  return build('Record', { type: 'object', patternProperties: { '^.*$': value } }, { type: 'map', key, value });
}

export function string(rules: StringRules | null = null): TString {
  return build('String', { type: 'string' }, { type: 'string', rules });
}

export function oneOf<const Values extends string[]>(...values: Values): TEnum<Values> {
  return build('Enum', { enum: values }, { type: 'enum', values });
}

export function integer(min: number, max: number): TInteger {
  return build('Integer', { type: 'integer', minimum: min, maximum: max }, { type: 'integer', min, max });
}

export function number(min: number, max: number): TNumber {
  return build('Number', { type: 'number', minimum: min, maximum: max }, { type: 'number', min, max });
}

/** Kubernetes' IntOrString: a number in a range, or a name. */
export function integerOrString(min: number, max: number): TUnion<[TInteger, TString]> {
  const json = { anyOf: [integer(min, max), string()] };
  return build('Union', json, { type: 'integerOrString', min, max });
}

/** Free-form data that is handed on as it is (protobuf's Struct). */
export function struct(): TMap<TUnknown> {
  const value = build<TUnknown>('Unknown', {}, { type: 'struct' });
  return build('Record', { type: 'object', patternProperties: { '^.*$': value } }, { type: 'struct' });
}

/** The same, or a text. */
export function structOrString(): TUnion<[TMap<TUnknown>, TString]> {
  return build('Union', { anyOf: [struct(), string()] }, { type: 'structOrString' });
}

export const boolean: TBoolean = build('Boolean', { type: 'boolean' }, { type: 'boolean' });

/** The JSON Schema is enumerable; TypeBox's kind and our rules are not, so that it prints and serialises as JSON Schema. */
function build<Type extends TSchema>(kind: string, json: object, rules: Rules): Type {
  Object.defineProperty(json, '~kind', { value: kind });
  Object.defineProperty(json, RULES, { value: rules });
  return json as Type;
}
