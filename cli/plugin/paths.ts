// Values inside a configuration, by paths with dots: 'rules.0.path'.
import { InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import type { Configuration } from '../../plugins/configuration.ts';

export interface Assignment {
  readonly path: readonly string[];
  /** Undefined: it is removed. */
  readonly value: unknown;
}

const MOST_ITEMS = 10_000;

/** Repeatable: 'limits.most=3'. The value is YAML, so that 3 is a number and "3" a text. */
export function assignment(text: string, before: readonly Assignment[] = []): Assignment[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('an assignment is PATH=VALUE, such as limits.most=3.');
  const given = text.slice(at + 1);
  let value: unknown;
  try {
    value = given === '' ? '' : parse(given);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message.split('\n')[0]}.`);
  }
  return [...before, { path: pathOf(text.slice(0, at)), value: value ?? null }];
}

/** Repeatable: 'limits.most'. */
export function removal(text: string, before: readonly Assignment[] = []): Assignment[] {
  return [...before, { path: pathOf(text), value: undefined }];
}

/** A new configuration; the given one stays as it is. Throws InvalidArgumentError where a path leads through a text. */
export function assign(config: Configuration, { path, value }: Assignment): Configuration {
  if (typeof config === 'string') throw new InvalidArgumentError('it is configured by a text: write all of it.');
  const next = structuredClone(config) as Record<string, unknown>;
  let place: Record<string, unknown> = next;
  for (const [index, part] of path.slice(0, -1).entries()) {
    if (!Object.hasOwn(place, part)) {
      if (value === undefined) return next;
      place[part] = /^\d+$/.test(path[index + 1]) ? [] : {};
    }
    const inner = place[part];
    if (typeof inner !== 'object' || inner === null) {
      throw new InvalidArgumentError(`${path.slice(0, index + 1).join('.')} is no object.`);
    }
    place = inner as Record<string, unknown>;
  }
  const last = path[path.length - 1];
  if (value !== undefined) place[last] = value;
  else if (Array.isArray(place)) place.splice(Number(last), 1);
  else delete place[last];
  return next;
}

function pathOf(text: string): string[] {
  const parts = text.split('.');
  const wrong = parts.some((part) => part === '' || part === '__proto__' || Number(part) > MOST_ITEMS);
  if (wrong) throw new InvalidArgumentError(`${text} is no path.`);
  return parts;
}
