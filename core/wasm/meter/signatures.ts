// The parameters of what a module imports. JavaScript takes any function for any import and pads, drops or refuses
// arguments only once it is called, so they are compared before anything runs.
import { importSignature } from '../abi/imports.ts';
import { Reader } from './reader.ts';

const TYPE = 1;
const IMPORT = 2;
const LETTERS: Readonly<Record<number, string>> = { 127: 'i', 126: 'I', 125: 'f', 124: 'F' };

/** What is wrong with an import's parameters, in one line, or null. For a module that has been validated. */
export function wrongImport(bytes: Uint8Array): string | null {
  const reader = new Reader(bytes, 8);
  const types: string[] = [];
  while (!reader.done) {
    const id = reader.byte();
    const content = reader.piece(reader.u32());
    if (id === TYPE) readTypes(content, types);
    if (id === IMPORT) return compareImports(content, types);
  }
  return null;
}

function readTypes(content: Reader, types: string[]): void {
  const letters = (): string => {
    let all = '';
    for (let count = content.u32(); count > 0; count--) all += LETTERS[content.byte()] ?? '?';
    return all;
  };
  for (let count = content.u32(); count > 0; count--) {
    content.byte();
    types.push(letters());
    letters();
  }
}

function compareImports(content: Reader, types: readonly string[]): string | null {
  for (let count = content.u32(); count > 0; count--) {
    const from = content.name();
    const name = content.name();
    // Other kinds have been refused.
    if (content.byte() !== 0) return null;
    const found = types[content.u32()];
    const expected = importSignature(from, name);
    if (expected !== undefined && expected !== found) {
      return `imports ${from}.${name} with parameters ${spell(found)} instead of ${spell(expected)}`;
    }
  }
  return null;
}

function spell(letters: string): string {
  const names: Readonly<Record<string, string>> = { i: 'i32', I: 'i64', f: 'f32', F: 'f64' };
  return `(${Array.from(letters, (letter) => names[letter] ?? '?').join(' ')})`;
}
