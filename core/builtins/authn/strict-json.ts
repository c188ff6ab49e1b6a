// JSON as a security decision may read it: UTF-8, an object, and no name twice in any object, since two readers may
// choose differently between two values.

export type Members = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 64;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The object in these bytes, or null: they are not one that everybody reads in the same way. */
export function strictObject(bytes: Uint8Array): Members | null {
  let text: string;
  let value: unknown;
  try {
    text = UTF8.decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    // SyntaxError of JSON, TypeError of UTF-8.
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return namesAreUnique(text) ? (value as Members) : null;
}

/** The member of this very object: what an object inherits is no member. */
export function member(object: Members, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** `text` is known to be JSON. */
function namesAreUnique(text: string): boolean {
  // Names seen in each open object; null for an open list.
  const open: (Set<string> | null)[] = [];
  let mayBeName = false;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
      case '[': {
        if (open.length === MAX_DEPTH) return false;
        const object = text[at] === '{';
        open.push(object ? new Set() : null);
        mayBeName = object;
        break;
      }
      case '}':
      case ']':
        open.pop();
        mayBeName = false;
        break;
      case ',':
        mayBeName = open.at(-1) instanceof Set;
        break;
      case ':':
        mayBeName = false;
        break;
      case '"': {
        const end = endOfString(text, at);
        const names = open.at(-1);
        if (mayBeName && names instanceof Set) {
          const name = JSON.parse(text.slice(at, end)) as string;
          if (names.has(name)) return false;
          names.add(name);
        }
        at = end - 1;
      }
    }
  }
  return true;
}

/** Place behind the closing quote of the string that opens at `from`. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
