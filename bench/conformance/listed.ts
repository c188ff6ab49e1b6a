// Subjects from files: anybody's modules, with the requests that they are to be shown. A file holds a list of
// { name, module, requests, ... }; README.md has every field.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ANY, type Case, PLAIN, type Subject } from './subjects.ts';

const FIELDS = new Set(['name', 'module', 'any', 'without', 'requests', ...Object.keys(PLAIN)]);

type Listed = Partial<Omit<Subject, 'bytes' | 'cases'>> & {
  readonly name?: string;
  /** Path of a .wasm file, from the list's folder. */
  readonly module?: string;
  /** Names of the requests that every module is shown: these of them only. Left out: all. */
  readonly any?: readonly string[];
  /** Of those, these not. */
  readonly without?: readonly string[];
  readonly requests?: readonly Case[];
};

/** Throws an Error that names the file and what is wrong with it. */
export function subjectsIn(file: string): Subject[] {
  const list = JSON.parse(readFileSync(file, 'utf8')) as readonly Listed[];
  if (!Array.isArray(list)) throw new Error(`${file}: not a list of modules`);
  return (list as readonly Listed[]).map((listed, i) => {
    const { name, module, any = ANY.map((one) => one.name), without = [], requests = [], ...rest } = listed;
    const where = `${file}: ${name ?? `item ${i}`}`;
    const unknown = Object.keys(listed).find((field) => !FIELDS.has(field));
    if (unknown !== undefined) throw new Error(`${where}: unknown field ${JSON.stringify(unknown)}`);
    if (name === undefined || module === undefined) throw new Error(`${where}: name and module are required`);
    const bytes = readFileSync(resolve(dirname(file), module));
    return { ...PLAIN, ...rest, name, bytes, cases: [...usual(any, without, where), ...requests] };
  });
}

function usual(any: readonly string[], without: readonly string[], where: string): readonly Case[] {
  const unknown = [...any, ...without].find((wanted) => !ANY.some(({ name }) => name === wanted));
  if (unknown !== undefined) throw new Error(`${where}: no usual request is called ${JSON.stringify(unknown)}`);
  return ANY.filter(({ name }) => any.includes(name) && !without.includes(name));
}
