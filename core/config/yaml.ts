// YAML text to plain values, with the place of each. Everything a text can do to a parser has a limit: size,
// documents, depth, aliases that multiply. The parser is loaded when the first text comes, so that a proxy that reads no
// files never pays for it.

import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { quote } from './formats.ts';
import { oneLine } from './problem.ts';
import type { Problem } from './resource.ts';
import { atOnce, type Steps } from './steps.ts';
import { type Path, pointer } from './walk.ts';

export interface TextDocument {
  readonly file?: string;
  readonly value: unknown;
  /** The 1-based place of a path, or of the closest thing around it that is there. */
  find(path: Path, what: 'key' | 'value'): { line: number; column: number };
}

/** What a text could be read as, and what is wrong with the rest. */
export interface Parsed {
  readonly documents: TextDocument[];
  readonly problems: Problem[];
}

export const MAX_TEXT = 4 * 1024 * 1024;
export const MAX_DOCUMENTS = 10_000;
export const MAX_DEPTH = 64;
/** Told of one document: what follows a broken line is often not broken itself. */
const MAX_FAULTS = 10;
const MAX_PROBLEMS = 1000;
/** Of one document, blanks and comments too: its nodes are made in one step, which takes some tenths of a second then. */
export const MAX_TOKENS = 250_000;
const TOKENS_A_STEP = 500;
/** Values in one text, each use of an alias counted again. */
export const MAX_VALUES = 1_000_000;

const load = createRequire(import.meta.url);
let library: typeof Yaml | null = null;

/** Documents whose text is sound, and what is wrong with the others. */
export function parseYaml(text: string, file?: string): Parsed {
  return atOnce(yamlSteps(text, file));
}

/** parseYaml, a few milliseconds a step. The parser makes an Error of all that is wrong: their stacks would be most of its work. */
export function* yamlSteps(text: string, file?: string): Steps<Parsed> {
  const reading = readDocuments(text, file);
  for (;;) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      const step = reading.next();
      if (step.done === true) return step.value;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
    yield;
  }
}

function* readDocuments(text: string, file: string | undefined): Steps<Parsed> {
  const problems: Problem[] = [];
  const tell = (code: string, message: string, place: { line: number; column: number }, path: Path = []): void => {
    problems.push({
      severity: 'error',
      code,
      message: oneLine(message),
      pointer: pointer(path),
      ...(file !== undefined && { file }),
      ...place,
    });
  };
  const start = { line: 1, column: 1 };
  if (text.length > MAX_TEXT) {
    tell('limit', `the text is longer than ${MAX_TEXT / 1024 / 1024} MiB`, start);
    return { documents: [], problems };
  }
  library ??= load('yaml') as typeof Yaml;
  const { LineCounter } = library;
  const lines = new LineCounter();
  const place = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const budget = { values: MAX_VALUES };
  const documents: TextDocument[] = [];
  let count = 0;
  for (const document of compose(library, text, lines)) {
    // Behind each document as within a long one.
    yield;
    if (document === null) continue;
    if (typeof document === 'number') {
      tell('limit', `more than ${MAX_TOKENS} words and signs in one document: the rest was not read`, place(document));
      break;
    }
    if (++count > MAX_DOCUMENTS || problems.length > MAX_PROBLEMS) {
      const many = count > MAX_DOCUMENTS ? `${MAX_DOCUMENTS} documents` : `${MAX_PROBLEMS} mistakes`;
      tell('limit', `more than ${many}: the rest was not read`, place(document.range[0]));
      break;
    }
    // A tag that nobody knows is only a warning to the parser; here it is something that would be lost.
    const faults = [...document.errors, ...document.warnings];
    for (const { code, message, pos } of faults.slice(0, MAX_FAULTS)) {
      // The parser recurses into nested collections and reports the stack that it exhausts.
      if (code === 'RESOURCE_EXHAUSTION') tell('limit', `nested more than ${MAX_DEPTH} deep`, place(pos[0]));
      else tell('yaml', message, place(pos[0]));
    }
    if (faults.length > 0 || document.contents === null) continue;
    const reader = new Reader(library, text, budget, (code, message, node, path) => {
      if (problems.length <= MAX_PROBLEMS) tell(code, message, place(node.range?.[0] ?? 0), path);
    });
    const before = problems.length;
    const value = reader.read(document.contents);
    if (problems.length > before || value === null) continue;
    documents.push({
      ...(file !== undefined && { file }),
      value,
      find: (path, what) => place(reader.offset(document.contents!, path, what)),
    });
  }
  return { documents, problems };
}

/** One document after the other, each parsed when it is asked for; null at times in between; where one is too long, and the end. */
function* compose(
  yaml: typeof Yaml,
  text: string,
  lines: Yaml.LineCounter,
): Generator<Yaml.Document.Parsed | null | number> {
  const composer = new yaml.Composer<Yaml.ParsedNode>({ prettyErrors: false, uniqueKeys: false, logLevel: 'silent' });
  let stray = 0;
  let tokens = 0;
  let offset = 0;
  const parser = new yaml.Parser(lines.addNewLine);
  const compose = function* (parsed: Iterable<Yaml.CST.Token>): Generator<Yaml.Document.Parsed, boolean> {
    for (const token of parsed) {
      if (token.type === 'document') stray = tokens = 0;
      else if (!BETWEEN_DOCUMENTS.has(token.type) && ++stray > MAX_FAULTS) return false;
      yield* composer.next(token) as Generator<Yaml.Document.Parsed>;
    }
    return true;
  };
  lines.addNewLine(0);
  let sound = true;
  for (const source of new yaml.Lexer().lex(text)) {
    sound = yield* compose(parser.next(source));
    if (!sound) break;
    offset += source.length;
    if (++tokens % TOKENS_A_STEP !== 0) continue;
    if (tokens > MAX_TOKENS) {
      yield Math.min(offset, text.length);
      return;
    }
    yield null;
  }
  if (sound) yield* compose(parser.end());
  yield* composer.end(true, text.length) as Generator<Yaml.Document.Parsed>;
}

/** Any other token there is an error, and a text can consist of nothing else. */
const BETWEEN_DOCUMENTS = new Set(['byte-order-mark', 'space', 'comment', 'newline', 'directive', 'doc-end']);

type Told = (code: string, message: string, node: Yaml.Node, path: Path) => void;

/** Turns the nodes of one document into plain values. */
class Reader {
  readonly #yaml: typeof Yaml;
  readonly #text: string;
  readonly #budget: { values: number };
  readonly #tell: Told;
  readonly #anchors = new Map<string, Yaml.Node>();
  readonly #targets = new Map<Yaml.Node, Yaml.Node>();
  readonly #path: (string | number)[] = [];

  constructor(yaml: typeof Yaml, text: string, budget: { values: number }, tell: Told) {
    this.#yaml = yaml;
    this.#text = text;
    this.#budget = budget;
    this.#tell = tell;
  }

  read(node: Yaml.Node | null): unknown {
    if (node === null || this.#budget.values < 0) return null;
    if (--this.#budget.values < 0)
      return this.#fault('limit', `more than ${MAX_VALUES} values, aliases counted each time`, node);
    if (this.#path.length > MAX_DEPTH) return this.#fault('limit', `nested more than ${MAX_DEPTH} deep`, node);
    if (this.#yaml.isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined)
        return this.#fault('yaml', `the alias ${quote(node.source)} has no anchor before it`, node);
      this.#targets.set(node, target);
      return this.read(target);
    }
    const { anchor } = node as Yaml.Scalar;
    if (anchor !== undefined) this.#anchors.set(anchor, node);
    if (this.#yaml.isScalar(node)) return scalar(node);
    if (this.#yaml.isSeq(node)) return node.items.map((item, i) => this.#item(i, item as Yaml.Node | null));
    if (this.#yaml.isMap(node)) return this.#map(node);
    return this.#fault('yaml', 'this is no value that configuration can have', node);
  }

  /** In a list like [2001:db8::] the colons at the end are text to Go's parsers, and a map with one key to this one. */
  #item(index: number, node: Yaml.Node | null): unknown {
    if (!this.#yaml.isMap(node) || node.items.length !== 1) return this.#at(index, node);
    const [{ key, value }] = node.items;
    if (!this.#yaml.isScalar(key) || key.type !== 'PLAIN' || !key.range || key.range[0] !== node.range?.[0])
      return this.#at(index, node);
    const empty = value === null || (this.#yaml.isNode(value) && isEmpty(this.#yaml, value));
    const glued = /^:[,\]]/.test(this.#text.slice(key.range[1], key.range[1] + 2));
    return empty && glued ? `${key.source}:` : this.#at(index, node);
  }

  #map(node: Yaml.YAMLMap): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const merged: Record<string, unknown>[] = [];
    for (const pair of node.items) {
      const key = pair.key as Yaml.Node;
      const name = this.#name(key);
      if (name === null) {
        this.#fault('yaml', 'a key has to be text', this.#yaml.isNode(key) ? key : node);
      } else if (isMerge(this.#yaml, key)) {
        const source = this.#at('<<', pair.value as Yaml.Node | null);
        for (const part of Array.isArray(source) ? source : [source]) {
          if (typeof part === 'object' && part !== null && !Array.isArray(part)) merged.push(part);
          else this.#fault('yaml', 'only maps can be merged by <<', key);
        }
      } else if (Object.hasOwn(value, name)) {
        this.#path.push(name);
        this.#fault('duplicate', `the key ${quote(name)} comes twice`, key);
        this.#path.pop();
      } else {
        put(value, name, this.#at(name, pair.value as Yaml.Node | null));
      }
    }
    for (const source of merged) {
      for (const name of Object.keys(source)) if (!Object.hasOwn(value, name)) put(value, name, source[name]);
    }
    return value;
  }

  #at(key: string | number, node: Yaml.Node | null): unknown {
    this.#path.push(key);
    const value = this.read(node);
    this.#path.pop();
    return value;
  }

  #name(key: unknown): string | null {
    const node = this.#yaml.isAlias(key) ? this.#anchors.get(key.source) : key;
    if (!this.#yaml.isScalar(node) || node.value === null) return null;
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  #fault(code: string, message: string, node: Yaml.Node): null {
    this.#tell(code, message, node, this.#path);
    return null;
  }

  /** Offset in the text of what lies at the path. */
  offset(root: Yaml.Node, path: Path, what: 'key' | 'value'): number {
    let node = root;
    let offset = root.range?.[0] ?? 0;
    for (const [depth, part] of path.entries()) {
      node = this.#targets.get(node) ?? node;
      if (this.#yaml.isSeq(node)) {
        const item = node.items[Number(part)] as Yaml.Node | null | undefined;
        if (!item) return offset;
        node = item;
      } else if (this.#yaml.isMap(node)) {
        const pair = node.items.find(({ key }) => this.#name(key) === String(part));
        if (pair === undefined) return offset;
        const key = pair.key as Yaml.Node;
        const value = pair.value as Yaml.Node | null;
        const last = depth === path.length - 1;
        if (!value || (last && (what === 'key' || isEmpty(this.#yaml, value)))) return key.range?.[0] ?? offset;
        node = value;
      } else {
        return offset;
      }
      offset = node.range?.[0] ?? offset;
    }
    return offset;
  }
}

/** JSON's values; what only YAML has (dates, binary, big integers) as it is written. */
function scalar(node: Yaml.Scalar): unknown {
  const { value } = node;
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  return node.source ?? String(value);
}

function isMerge(yaml: typeof Yaml, key: Yaml.Node): boolean {
  return yaml.isScalar(key) && key.type === 'PLAIN' && key.source === '<<';
}

function isEmpty(yaml: typeof Yaml, node: Yaml.Node): boolean {
  return yaml.isScalar(node) && node.value === null && (node.source ?? '') === '';
}

/** As an own property, whatever the name: "__proto__" must not be what it is to JavaScript. */
function put(value: Record<string, unknown>, name: string, item: unknown): void {
  if (name === '__proto__') Object.defineProperty(value, name, { value: item, enumerable: true, configurable: true });
  else value[name] = item;
}
