// What a built-in filter is made of: the files of its two rooms, and those outside that know it, by what they import of a room
// or by its name in a list.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ORDER } from '../../core/builtins/order.ts';
import { ROOT, type Tree } from './imports.ts';

export interface BuiltinFiles {
  readonly name: string;
  readonly rooms: readonly string[];
  readonly outside: readonly string[];
}

/** Of each built-in filter; the ones of fewest files first, which are what a new one needs. Tests and benchmarks are not counted. */
export function builtinFiles(tree: Tree): BuiltinFiles[] {
  return ORDER.map(({ name }) => filesOf(name, tree)).sort((a, b) => count(a) - count(b));
}

export function count({ rooms, outside }: BuiltinFiles): number {
  return rooms.length + outside.length;
}

function filesOf(name: string, { sources, imports }: Tree): BuiltinFiles {
  const rooms = [`core/builtins/${name}/`, `filters/${name}/`];
  const within = (file: string): boolean => rooms.some((room) => file.startsWith(room));
  const product = (file: string): boolean => !/^(test|bench)\//.test(file);
  const importing = imports.filter(({ from, to }) => within(to) && !within(from)).map(({ from }) => from);
  const listing = [...sources].filter(([, text]) => text.includes(`name: '${name}'`)).map(([file]) => file);
  const outside = new Set([...importing, ...listing].filter((file) => product(file) && !within(file)));
  const own = rooms.flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true }).map((file) => `${room}${file}`),
  );
  return { name, rooms: own.sort(), outside: [...outside].sort() };
}
