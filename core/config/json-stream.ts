// Where JSON documents that follow each other begin and end in a text, without reading them.

export interface JsonPart {
  readonly start: number;
  readonly end: number;
  /** yaml: everything behind a line with ---. neither: from here on nothing can be read. */
  readonly is: 'json' | 'yaml' | 'neither';
}

/** Of a document of YAML: begins or ends one. */
const SEPARATOR = /^(?:---|\.\.\.)(?=\s|$)/my;
const BLANK = ' \t\r\n\ufeff';

/** null: the text is no stream of JSON documents, but one of YAML that may look like it at first. */
export function jsonParts(text: string): JsonPart[] | null {
  const parts: JsonPart[] = [];
  let stream = false;
  let separated = true;
  for (let at = behindBlanks(text, 0); at < text.length; at = behindBlanks(text, at)) {
    SEPARATOR.lastIndex = at;
    if (SEPARATOR.test(text)) {
      separated = true;
      at = SEPARATOR.lastIndex;
      continue;
    }
    const end = endOfJson(text, at);
    if (end < 0 && parts.length === 0) return null;
    if (end < 0) {
      parts.push({ start: at, end: text.length, is: separated ? 'yaml' : 'neither' });
      return stream || !separated ? parts : null;
    }
    stream ||= !separated;
    parts.push({ start: at, end, is: 'json' });
    separated = false;
    at = end;
  }
  return stream ? parts : null;
}

/** Comments are blanks to YAML. */
function behindBlanks(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    if (text[at] === '#' && (at === 0 || BLANK.includes(text[at - 1]))) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (!BLANK.includes(text[at])) break;
  }
  return Math.min(at, text.length);
}

/** Behind the object or array that begins here; -1: here is none. */
function endOfJson(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (quoted) {
      if (c === 92) at++;
      else if (c === 34) quoted = false;
    } else if (c === 34) quoted = true;
    else if (c === 123 || c === 91) depth++;
    else if (c === 125 || c === 93) depth--;
    if (depth <= 0) return at > start && isJson(text.slice(start, at + 1)) ? at + 1 : -1;
  }
  return -1;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
