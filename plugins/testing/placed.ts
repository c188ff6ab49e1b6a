// YAML whose every value knows where it stands, so that whatever is wrong with a fixture, or with what it expects, is told
// with file, line and column.
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';

export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Problem extends Place {
  readonly message: string;
}

/** What one file's values share. */
interface Source {
  readonly file: string;
  readonly lines: LineCounter;
  readonly problems: Problem[];
  resolve(node: unknown): Node | null;
}

/** The documents of a file; `problems` gets what is no YAML. */
export function readPlaced(file: string, text: string, problems: Problem[]): Placed[] {
  const lines = new LineCounter();
  // Without documents what comes back is a list that says so.
  const documents = [...parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })];
  const placed: Placed[] = [];
  for (const document of documents) {
    for (const { message, pos } of document.errors) {
      const { line, col } = lines.linePos(pos[0]);
      problems.push({ file, line, column: col, message: message.split('\n', 1)[0] });
    }
    const resolve = (node: unknown): Node | null =>
      isAlias(node) ? (node.resolve(document) ?? null) : ((node ?? null) as Node | null);
    const source = { file, lines, problems, resolve };
    if (document.errors.length === 0 && document.contents !== null) {
      placed.push(new Placed(source, document.contents as Node, document.contents as Node));
    }
  }
  return placed;
}

export class Placed {
  readonly place: Place;
  private readonly source: Source;
  private readonly node: Node | null;

  /** `at`: the node that stands where this is to be looked for, which for a member is its key. */
  constructor(source: Source, node: unknown, at: unknown) {
    this.source = source;
    this.node = source.resolve(node);
    const { line, col } = source.lines.linePos((at as Node | null)?.range?.[0] ?? 0);
    this.place = { file: source.file, line, column: col };
  }

  refuse(message: string): void {
    this.source.problems.push({ ...this.place, message });
  }

  get isMap(): boolean {
    return isMap(this.node);
  }

  get isList(): boolean {
    return isSeq(this.node);
  }

  /** A value that is neither, nor null. */
  get isText(): boolean {
    return isScalar(this.node) && this.node.value !== null;
  }

  /** Members by name. What is not in `known` is refused. `what`: 'a request'. */
  fields<const K extends string>(what: string, known: readonly K[]): Partial<Record<K, Placed>> {
    const found: Partial<Record<string, Placed>> = {};
    for (const [name, value] of this.entries(what)) {
      if (known.some((key) => key === name)) found[name] = value;
      else value.refuse(`${what} has no "${name}"; it has ${known.join(', ')}`);
    }
    return found as Partial<Record<K, Placed>>;
  }

  entries(what: string): [string, Placed][] {
    if (!isMap(this.node)) {
      this.refuse(`${what} is a map`);
      return [];
    }
    return this.node.items.map(({ key, value }) => [
      String(isScalar(key) ? (key.source ?? key.value) : key),
      new Placed(this.source, value, key),
    ]);
  }

  items(what: string): Placed[] {
    if (isSeq(this.node)) return this.node.items.map((item) => new Placed(this.source, item, item));
    this.refuse(`${what} is a list`);
    return [];
  }

  /** A text as it was written, also one that looks like a number or a boolean. */
  text(what: string): string {
    if (isScalar(this.node) && this.node.value !== null) {
      const { value, source } = this.node;
      return typeof value === 'string' ? value : (source ?? String(value));
    }
    this.refuse(`${what} is a text`);
    return '';
  }

  integer(what: string, least: number, most: number): number {
    const value = isScalar(this.node) ? this.node.value : null;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    this.refuse(`${what} is a number from ${least} to ${most}`);
    return least;
  }

  flag(what: string): boolean {
    const value = isScalar(this.node) ? this.node.value : null;
    if (typeof value === 'boolean') return value;
    this.refuse(`${what} is true or false`);
    return false;
  }

  /** As JSON has it. */
  plain(): unknown {
    return this.source.resolve(this.node)?.toJSON() ?? null;
  }
}
