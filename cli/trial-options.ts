// Values of `mesh plugin try`'s options: headers, methods, properties. What does not parse is wrong usage.
import { InvalidArgumentError } from 'commander';
import { FRAMING } from '../core/wasm/abi/header-map.ts';
import type { TrialResponse } from '../core/wasm/trial/trial-exchange.ts';
import { propertyValue } from '../plugins/property-value.ts';

type Fields = readonly (readonly [string, string])[];

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Repeatable: 'name: value'; the name in lower case, the value's bytes as one char each. */
export function header(text: string, before: Fields = []): Fields {
  const at = text.indexOf(':', 1);
  const name = text.slice(0, at).trim().toLowerCase();
  const value = text.slice(at + 1).trim();
  if (at < 1 || !TOKEN.test(name.replace(/^:/, ''))) throw new InvalidArgumentError("a header is 'name: value'.");
  if (/[^\t\x20-\x7e\x80-\uffff]/.test(value)) {
    throw new InvalidArgumentError('a header’s value has no control characters.');
  }
  return [...before, [name, Buffer.from(value).toString('latin1')]];
}

/** Headers apart from those that a head has no field for: pseudo-headers and host; framing is left out. */
export function message(fields: Fields): { head: ReadonlyMap<string, string>; headers: Fields } {
  const apart = (name: string): boolean => name.startsWith(':') || name === 'host';
  return {
    head: new Map(fields.filter(([name]) => apart(name))),
    headers: fields.filter(([name]) => !apart(name) && !FRAMING.has(name)),
  };
}

export function method(text: string): string {
  if (!TOKEN.test(text)) throw new InvalidArgumentError('a method is a word, such as POST.');
  return text;
}

export function target(text: string): string {
  if (!/^(\/[\x21-\x7e\x80-\uffff]*|\*)$/.test(text)) throw new InvalidArgumentError('a path begins with /.');
  return Buffer.from(text).toString('latin1');
}

export function status(text: string): number {
  if (!/^[2-5]\d\d$/.test(text)) throw new InvalidArgumentError('a status is a number from 200 to 599.');
  return Number(text);
}

/** Repeatable: 'authz.default=200:ok', or 'authz.default=403'. Names of clusters have no '=', but ':' and '|'. */
export function answer(
  text: string,
  before: readonly (readonly [string, TrialResponse])[] = [],
): readonly (readonly [string, TrialResponse])[] {
  const parts = /^([^=]+)=([2-5]\d\d)(?::(.*))?$/s.exec(text);
  if (parts === null) throw new InvalidArgumentError('an answer is UPSTREAM=STATUS or UPSTREAM=STATUS:BODY.');
  return [...before, [parts[1], { status: Number(parts[2]), headers: [], body: Buffer.from(parts[3] ?? '') }]];
}

/** Repeatable: 'source.address=10.0.0.1:80', in the encoding that guests expect of this property. */
export function property(
  text: string,
  before: readonly (readonly [string, Uint8Array])[] = [],
): readonly (readonly [string, Uint8Array])[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('a property is PATH=VALUE.');
  const path = text.slice(0, at);
  try {
    return [...before, [path, propertyValue(path, text.slice(at + 1))]];
  } catch (error) {
    throw error instanceof RangeError ? new InvalidArgumentError(`${error.message}.`) : error;
  }
}
