// The types of what a module imports and of the callbacks that it exports. JavaScript takes any function for any import, and pads,
// drops, converts or refuses arguments only once it is called, so they are compared before anything runs.
import { CALLBACKS } from '../abi/abi.ts';
import { importSignature } from '../abi/imports.ts';
import { Reader } from './reader.ts';

const TYPE = 1;
const IMPORT = 2;
const FUNCTION = 3;
const EXPORT = 7;
const LETTERS: Readonly<Record<number, string>> = { 127: 'i', 126: 'I', 125: 'f', 124: 'F' };

interface FunctionType {
  readonly params: string;
  readonly results: string;
}

/** What is wrong with the type of an import or of a callback, in one line, or null. For a module that has been validated. */
export function wrongType(bytes: Uint8Array): string | null {
  const reader = new Reader(bytes, 8);
  const types: FunctionType[] = [];
  /** Of all functions, those that are imported first. */
  const functions: FunctionType[] = [];
  while (!reader.done) {
    const id = reader.byte();
    const content = reader.piece(reader.u32());
    if (id === TYPE) readTypes(content, types);
    else if (id === FUNCTION) {
      for (let count = content.u32(); count > 0; count--) functions.push(types[content.u32()]);
    } else if (id === IMPORT || id === EXPORT) {
      const wrong = id === IMPORT ? compareImports(content, types, functions) : compareCallbacks(content, functions);
      if (wrong !== null) return wrong;
    }
  }
  return null;
}

function readTypes(content: Reader, types: FunctionType[]): void {
  const letters = (): string => {
    let all = '';
    for (let count = content.u32(); count > 0; count--) all += LETTERS[content.byte()] ?? '?';
    return all;
  };
  for (let count = content.u32(); count > 0; count--) {
    content.byte();
    types.push({ params: letters(), results: letters() });
  }
}

function compareImports(content: Reader, types: readonly FunctionType[], functions: FunctionType[]): string | null {
  for (let count = content.u32(); count > 0; count--) {
    const from = content.name();
    const name = content.name();
    // Other kinds have been refused.
    if (content.byte() !== 0) return null;
    const found = types[content.u32()];
    functions.push(found);
    const expected = importSignature(from, name);
    if (expected !== undefined && expected !== found.params) {
      return `imports ${from}.${name} with parameters ${spell(found.params)} instead of ${spell(expected)}`;
    }
  }
  return null;
}

function compareCallbacks(content: Reader, functions: readonly FunctionType[]): string | null {
  for (let count = content.u32(); count > 0; count--) {
    const name = content.name();
    const isFunction = content.byte() === 0;
    const found = functions[content.u32()];
    if (!isFunction || !Object.hasOwn(CALLBACKS, name)) continue;
    const { params, result } = CALLBACKS[name];
    const { length } = found.params;
    if (!params.includes(length)) return `${name} takes ${length} parameters instead of ${params.join(' or ')}`;
    const wanted = 'i'.repeat(length);
    if (found.params !== wanted) return `${name} takes ${spell(found.params)} instead of ${spell(wanted)}`;
    const results = result ? 'i' : '';
    if (found.results !== results) return `${name} returns ${spell(found.results)} instead of ${spell(results)}`;
  }
  return null;
}

function spell(letters: string): string {
  const names: Readonly<Record<string, string>> = { i: 'i32', I: 'i64', f: 'f32', F: 'f64' };
  return `(${Array.from(letters, (letter) => names[letter] ?? '?').join(' ')})`;
}
