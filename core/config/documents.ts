// Text to documents: YAML, JSON, and JSON documents one after the other, as kubectl takes them. JSON goes to the parser that
// every engine has; where something stands in it is found out when somebody asks.

import { readJson } from './json.ts';
import { type JsonPart, jsonParts } from './json-stream.ts';
import type { Problem } from './resource.ts';
import { atOnce, type Steps } from './steps.ts';
import {
  MAX_DEPTH,
  MAX_DOCUMENTS,
  MAX_TEXT,
  MAX_VALUES,
  type Parsed,
  parseYaml,
  type TextDocument,
  yamlSteps,
} from './yaml.ts';

const LIMITS = { depth: MAX_DEPTH, values: MAX_VALUES };

/** Documents whose text is sound, and what is wrong with the others. */
export function parseDocuments(text: string, file?: string): Parsed {
  return atOnce(documentSteps(text, file));
}

/** parseDocuments, a few milliseconds a step. */
export function* documentSteps(text: string, file?: string): Steps<Parsed> {
  if (text.length > MAX_TEXT) return parseYaml(text, file);
  const nul = text.indexOf('\0');
  if (nul >= 0) {
    const message = 'a NUL character: this is no text, or text that is not in UTF-8';
    return { documents: [], problems: [wrong(new Place(text, nul), file, 'encoding', message)] };
  }
  const value = readJson(text, LIMITS);
  if (value !== null) return { documents: [jsonDocument(text, file, value, START)], problems: [] };
  const parts = jsonParts(text);
  return yield* parts === null ? yamlSteps(text, file) : streamSteps(text, parts, file);
}

/** One JSON document after the other. What is neither that nor YAML behind `---` is told once, and ends it. */
function* streamSteps(text: string, parts: readonly JsonPart[], file: string | undefined): Steps<Parsed> {
  const documents: TextDocument[] = [];
  const problems: Problem[] = [];
  const place = new Place(text, 0);
  for (const [index, { start, end, is }] of parts.entries()) {
    const from = place.moved(start);
    if (index === MAX_DOCUMENTS) {
      problems.push(wrong(from, file, 'limit', `more than ${MAX_DOCUMENTS} documents: the rest was not read`));
      break;
    }
    if (is === 'neither') {
      const message = 'what follows a JSON document is another one, or YAML behind a line with ---: this is neither';
      problems.push(wrong(from, file, 'json', message));
      break;
    }
    const own = text.slice(start, end);
    const value = is === 'json' ? readJson(own, LIMITS) : null;
    if (value !== null) documents.push(jsonDocument(own, file, value, from));
    else {
      const parsed = yield* yamlSteps(own, file);
      documents.push(...parsed.documents.map((document) => ({ ...document, find: shifted(document.find, from) })));
      problems.push(...parsed.problems.map((problem) => ({ ...problem, ...(has(problem) && shift(problem, from)) })));
    }
  }
  return { documents, problems };
}

interface At {
  readonly line: number;
  readonly column: number;
}

const START: At = { line: 1, column: 1 };

/** The line and column of an offset, found from the one before. */
class Place implements At {
  line = 1;
  column = 1;
  readonly #text: string;
  #offset = 0;

  constructor(text: string, offset: number) {
    this.#text = text;
    this.moved(offset);
  }

  /** Where it then is. */
  moved(offset: number): At {
    for (; this.#offset < offset; this.#offset++) {
      if (this.#text.charCodeAt(this.#offset) === 10) {
        this.line++;
        this.column = 1;
      } else this.column++;
    }
    return { line: this.line, column: this.column };
  }
}

function wrong({ line, column }: At, file: string | undefined, code: string, message: string): Problem {
  return { severity: 'error', code, message, pointer: '', ...(file !== undefined && { file }), line, column };
}

function has(problem: Problem): problem is Problem & At {
  return problem.line !== undefined && problem.column !== undefined;
}

/** A place in a part of a text that begins at `from`, as a place in the text. */
function shift({ line, column }: At, from: At): At {
  return { line: line + from.line - 1, column: line === 1 ? column + from.column - 1 : column };
}

function shifted(find: TextDocument['find'], from: At): TextDocument['find'] {
  return (path, what) => shift(find(path, what), from);
}

/** Where something stands in it takes the whole parser for YAML. */
function jsonDocument(text: string, file: string | undefined, value: object, from: At): TextDocument {
  let located: TextDocument | undefined;
  return {
    ...(file !== undefined && { file }),
    value,
    find(path, what) {
      located ??= parseYaml(text, file).documents[0];
      return shift(located?.find(path, what) ?? START, from);
    },
  };
}
