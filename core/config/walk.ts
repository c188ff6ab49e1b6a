// Takes a value apart by its schema: a frozen copy of what is known, and every problem with its place. Trusts nothing about
// the value, and reads the schema as it is: nothing is generated or compiled.

import { quote } from './formats.ts';
import { type ObjectRules, type Report, RULES, type Rules, type TSchema } from './schema.ts';
import { closest } from './spelling.ts';

export type Path = readonly (string | number)[];

export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly path: Path;
}

/** Configuration is not this deep; what is, was made to exhaust a stack. */
const MAX_DEPTH = 64;
/** In one walk. Whoever made more mistakes corrects these first. */
const MAX_FINDINGS = 1000;

/** The copy is of use only when no finding is an error. */
export function walk(schema: TSchema, value: unknown, path: Path, findings: Finding[]): unknown {
  return new Walk(findings, path).value(schema, value);
}

/** JSON pointer (RFC 6901). */
export function pointer(path: Path): string {
  let text = '';
  for (const part of path) text += `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`;
  return text;
}

class Walk implements Report {
  readonly #findings: Finding[];
  /** Where the walk is; pushed and popped, copied only into findings. */
  readonly #path: (string | number)[];
  #depth = 0;
  /** Errors so far, those that are no longer told included. */
  #faults = 0;

  constructor(findings: Finding[], path: Path) {
    this.#findings = findings;
    this.#path = [...path];
  }

  error(path: Path, code: string, message: string): void {
    this.#faults++;
    this.#find({ severity: 'error', code, message, path: [...this.#path, ...path] });
  }

  warning(path: Path, code: string, message: string): void {
    this.#find({ severity: 'warning', code, message, path: [...this.#path, ...path] });
  }

  #find(finding: Finding): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding);
  }

  value(schema: TSchema, value: unknown): unknown {
    const rules = (schema as { [RULES]: Rules })[RULES];
    switch (rules.type) {
      case 'object':
        return this.#object(rules, value);
      case 'array':
        return this.#array(rules, value);
      case 'map':
        return this.#map(rules, value);
      case 'struct':
        return isObject(value) ? this.#struct(value) : this.#wrong('an object', value);
      case 'structOrString':
        if (typeof value === 'string') return value;
        return isObject(value) ? this.#struct(value) : this.#wrong('an object, or a text', value);
      case 'string':
        return this.#string(rules.rules, value);
      case 'enum':
        return this.#enum(rules.values, value);
      case 'integer':
        return this.#number(value, rules.min, rules.max, true);
      case 'number':
        return this.#number(value, rules.min, rules.max, false);
      case 'integerOrString':
        return typeof value === 'string' ? value : this.#number(value, rules.min, rules.max, true);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#wrong('true or false', value);
    }
  }

  #object(schema: Extract<Rules, { type: 'object' }>, value: unknown): unknown {
    if (!isObject(value)) return this.#wrong('an object', value);
    const { fields, aliases, rules } = schema;
    const before = this.#faults;
    const copy: Record<string, unknown> = {};
    for (const given of Object.keys(value)) {
      if (!known(schema, given)) {
        this.#unknown(schema, given);
        continue;
      }
      // Protobuf's JSON and Kubernetes both take null for a field that was not given.
      if (value[given] === null || value[given] === undefined) continue;
      const name = aliases.get(given) ?? given;
      const field = fields.get(name);
      if (field === undefined) continue;
      if (Object.hasOwn(copy, name)) {
        this.error([given], 'duplicate', `${given} and ${name} are the same field`);
      } else {
        this.#path.push(given);
        copy[name] = this.value(field, value[given]);
        this.#path.pop();
      }
    }
    for (const name of schema.required) {
      if (!Object.hasOwn(copy, name)) this.error([], 'required', `${name} is missing`);
    }
    for (const [name, preset] of schema.defaults) {
      if (!Object.hasOwn(copy, name)) copy[name] = preset;
    }
    this.#oneofs(rules, copy);
    Object.freeze(copy);
    if (rules.check !== undefined && this.#faults === before) rules.check(copy as never, this);
    return copy;
  }

  #oneofs(rules: ObjectRules, copy: Readonly<Record<string, unknown>>): void {
    for (const set of rules.atMostOne ?? []) {
      const given = set.filter((name) => isGiven(copy, name));
      if (given.length > 1) this.#contradiction(given);
    }
    for (const set of rules.exactlyOne ?? []) {
      const given = set.filter((name) => isGiven(copy, name));
      if (given.length > 1) this.#contradiction(given);
      if (given.length === 0) this.error([], 'oneof', `exactly one of ${listed(set, 'and')} has to be given`);
    }
  }

  #contradiction(given: readonly string[]): void {
    this.error([given[1]], 'oneof', `${listed(given, 'and')} exclude each other: give one of them`);
  }

  #unknown(schema: Extract<Rules, { type: 'object' }>, name: string): void {
    if (this.#findings.length >= MAX_FINDINGS) {
      this.#faults++;
      return;
    }
    const names = [...schema.fields.keys()];
    const meant = closest(name, names);
    const hint =
      meant !== null
        ? `, did you mean ${quote(meant)}?`
        : names.length === 0
          ? ''
          : names.length <= 8
            ? `; known here: ${names.join(', ')}`
            : '';
    this.error([name], 'field_unknown', `unknown field ${quote(name)}${hint}`);
  }

  #array(schema: Extract<Rules, { type: 'array' }>, value: unknown): unknown {
    if (!Array.isArray(value)) return this.#wrong('a list', value);
    if (value.length < schema.min) this.error([], 'empty', 'must not be empty');
    const copy: unknown[] = [];
    for (let i = 0; i < value.length; i++) {
      this.#path.push(i);
      copy.push(this.value(schema.items, value[i]));
      this.#path.pop();
    }
    // One that grew item by item has room for seventeen, and there are tens of thousands of them.
    return Object.freeze(copy.slice());
  }

  #map(schema: Extract<Rules, { type: 'map' }>, value: unknown): unknown {
    if (!isObject(value)) return this.#wrong('an object', value);
    const copy: Record<string, unknown> = {};
    for (const name of Object.keys(value)) {
      this.#path.push(name);
      const fault = name === '__proto__' ? '"__proto__" cannot be a name' : (schema.key?.check(name) ?? null);
      if (fault !== null) this.error([], schema.key?.code ?? 'name', fault);
      else copy[name] = this.value(schema.value, value[name]);
      this.#path.pop();
    }
    return Object.freeze(copy);
  }

  #string(rules: { code: string; check: (text: string) => string | null } | null, value: unknown): unknown {
    if (typeof value !== 'string') return this.#wrong('a string', value);
    const fault = rules?.check(value) ?? null;
    if (fault !== null) this.error([], rules!.code, fault);
    return value;
  }

  #enum(values: readonly string[], value: unknown): unknown {
    if (typeof value === 'string' && values.includes(value)) return value;
    if (typeof value !== 'string') return this.#wrong(listed(values, 'or'), value);
    const meant = closest(value, values);
    const choice =
      meant === null ? `one of ${values.join(', ')}` : `did you mean ${meant}? One of ${values.join(', ')}`;
    this.error([], 'enum', `${quote(value)} is not known here: ${choice}`);
    return value;
  }

  #number(value: unknown, min: number, max: number, whole: boolean): unknown {
    if (typeof value !== 'number' || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
      return this.#wrong(whole ? 'an integer' : 'a number', value);
    }
    if (value < min || value > max) this.error([], 'range', `${value} is out of range: ${min} to ${max}`);
    // JSON has no -0.
    return value + 0;
  }

  /** Free-form data: copied as it is, null included. */
  #struct(value: unknown): unknown {
    if (++this.#depth > MAX_DEPTH) {
      this.#depth--;
      this.error([], 'limit', `nested more than ${MAX_DEPTH} deep`);
      return null;
    }
    let copy: unknown = value;
    if (Array.isArray(value)) {
      copy = Object.freeze(value.map((item, i) => this.#inside(i, item)));
    } else if (isObject(value)) {
      const fields: Record<string, unknown> = {};
      for (const name of Object.keys(value)) {
        if (name === '__proto__') this.error([name], 'name', '"__proto__" cannot be a name');
        else fields[name] = this.#inside(name, value[name]);
      }
      copy = Object.freeze(fields);
    } else if (typeof value === 'number' && Number.isFinite(value)) {
      copy = value + 0;
    } else if (value !== null && !['string', 'boolean'].includes(typeof value)) {
      this.#wrong('JSON', value);
    }
    this.#depth--;
    return copy;
  }

  #inside(name: string | number, value: unknown): unknown {
    this.#path.push(name);
    const copy = this.#struct(value);
    this.#path.pop();
    return copy;
  }

  #wrong(expected: string, value: unknown): unknown {
    const quoting = expected === 'a string' && (typeof value === 'number' || typeof value === 'boolean');
    this.error([], 'type', `expected ${expected}, got ${named(value)}${quoting ? ': put it in quotes' : ''}`);
    return value;
  }
}

/** Protobuf does not tell an empty list from none. */
function isGiven(copy: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = copy[name];
  return Object.hasOwn(copy, name) && !(Array.isArray(value) && value.length === 0);
}

function known(schema: Extract<Rules, { type: 'object' }>, name: string): boolean {
  const { fields, ignored, aliases } = schema;
  return fields.has(name) || aliases.has(name) || ignored === 'any' || ignored.has(name);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a value is, for messages: 'the string "x"', 'a list', 'nothing'. */
export function named(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return `the string ${quote(value)}`;
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** 'a, b and c'. */
function listed(names: readonly string[], word: 'and' | 'or'): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} ${word} ${names[names.length - 1]}`;
}
