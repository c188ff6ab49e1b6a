// The configuration's edge: text or parsed objects in, frozen resources and every problem out. Never throws because of what
// it is given. Proxies call decodeResource on what arrives; only decodeYaml and decodeFiles load a YAML parser.

import { documentSteps } from './documents.ts';
import { type Decoded, decodeObject } from './envelope.ts';
import { problemOf } from './problem.ts';
import { type Problem, type Resource, resourceKey } from './resource.ts';
import { atOnce, inSlices, type Steps } from './steps.ts';
import { type Finding, isObject, type Path } from './walk.ts';
import type { TextDocument } from './yaml.ts';

export { parseDuration } from './duration.ts';
export { formatProblem } from './problem.ts';

/** Where a resource was written, for problems that are found later (crossCheck). */
export interface Origin {
  readonly file?: string;
  readonly line: number;
  readonly column: number;
  /** The place of a JSON pointer inside the resource. */
  find(pointer: string): { line: number; column: number };
}

export interface DecodedText {
  /** Those without errors. */
  readonly resources: Resource[];
  readonly problems: Problem[];
  readonly origins: ReadonlyMap<Resource, Origin>;
}

/** Items of lists that are decoded from one text. */
const MAX_RESOURCES = 20_000;
const MAX_PROBLEMS = 1000;

/** Decodes one object: what the bus delivers, what the API is sent. No list. */
export function decodeResource(value: unknown): { resource: Resource | null; problems: Problem[] } {
  const findings: Finding[] = [];
  const { resource, about } = decodeObject(value, [], findings);
  return { resource, problems: findings.map((finding) => problemOf(finding, about)) };
}

/** Decodes objects that belong together: lists are flattened, a resource that comes twice is an error. */
export function decodeResources(values: readonly unknown[]): { resources: Resource[]; problems: Problem[] } {
  const collector = new Collector();
  for (const value of values) collector.add(value, null);
  return collector;
}

/** Decodes a YAML or JSON text of one or more documents. */
export function decodeYaml(text: string, file?: string): DecodedText {
  return decodeFiles([{ text, file }]);
}

/** Decodes several texts as one change: a resource that comes twice, in whichever files, is an error. */
export function decodeFiles(files: Iterable<SourceText>): DecodedText {
  return atOnce(decoding(files));
}

/** decodeFiles where others wait for their turn. */
export function decodeFilesInSlices(files: Iterable<SourceText>): Promise<DecodedText> {
  return inSlices(decoding(files));
}

export interface SourceText {
  readonly text: string;
  readonly file?: string;
}

function* decoding(files: Iterable<SourceText>): Steps<DecodedText> {
  const collector = new Collector();
  for (const { text, file } of files) {
    const { documents, problems } = yield* documentSteps(text, file);
    for (const document of documents) {
      collector.add(document.value, document);
      yield;
    }
    collector.take(problems);
  }
  return collector;
}

/** Adds file, line and column to problems of resources that came from text. */
export function placeProblems(problems: readonly Problem[], { origins }: Pick<DecodedText, 'origins'>): Problem[] {
  const byKey = new Map<string, Origin>();
  for (const [resource, origin] of origins) byKey.set(resourceKey(resource), origin);
  return problems.map((problem) => {
    const origin = problem.line === undefined ? byKey.get(problem.resource ?? '') : undefined;
    if (origin === undefined) return problem;
    return {
      ...problem,
      ...(origin.file !== undefined && { file: origin.file }),
      ...origin.find(problem.pointer ?? ''),
    };
  });
}

class Collector implements DecodedText {
  readonly resources: Resource[] = [];
  readonly problems: Problem[] = [];
  readonly origins = new Map<Resource, Origin>();
  /** Where each key was seen first, those with errors included. */
  readonly #seen = new Map<string, { readonly document: TextDocument | null; readonly path: Path }>();

  add(value: unknown, document: TextDocument | null): void {
    if (
      isObject(value) &&
      typeof value.kind === 'string' &&
      value.kind.endsWith('List') &&
      Array.isArray(value.items)
    ) {
      value.items.forEach((item, i) => {
        this.#one(item, ['items', i], document);
      });
    } else {
      this.#one(value, [], document);
    }
  }

  #one(value: unknown, path: Path, document: TextDocument | null): void {
    const findings: Finding[] = [];
    if (this.#seen.size >= MAX_RESOURCES) {
      const message = `more than ${MAX_RESOURCES} resources at once`;
      if (this.problems.at(-1)?.message !== message)
        this.#tell({ severity: 'error', code: 'limit', message, path }, null, document);
      return;
    }
    const decoded = decodeObject(value, path, findings);
    const duplicate = this.#duplicate(decoded, path, document);
    if (duplicate !== null) findings.push(duplicate);
    for (const finding of findings) this.#tell(finding, decoded.about, document);
    if (decoded.resource === null || duplicate !== null) return;
    this.resources.push(decoded.resource);
    if (document !== null) this.origins.set(decoded.resource, originOf(document, path));
  }

  #duplicate({ about }: Decoded, path: Path, document: TextDocument | null): Finding | null {
    if (about === null) return null;
    const key = resourceKey(about);
    const first = this.#seen.get(key);
    if (first !== undefined) {
      const message = `${key} is defined twice, first ${placeOf(first.document, first.path)}`;
      return { severity: 'error', code: 'duplicate', message, path };
    }
    this.#seen.set(key, { document, path });
    return null;
  }

  /** What came from a parser, which has limits of its own. */
  take(problems: readonly Problem[]): void {
    for (const problem of problems) this.#keep(problem);
  }

  #tell(finding: Finding, about: Decoded['about'], document: TextDocument | null): void {
    if (document === null) {
      this.#keep(problemOf(finding, about));
      return;
    }
    const place = document.find(finding.path, finding.code === 'field_unknown' ? 'key' : 'value');
    this.#keep(problemOf(finding, about, { ...(document.file !== undefined && { file: document.file }), ...place }));
  }

  #keep(problem: Problem): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(problem);
    if (this.problems.length !== MAX_PROBLEMS) return;
    const message = `more than ${MAX_PROBLEMS} problems: the others are not listed`;
    this.problems.push({ severity: 'error', code: 'limit', message });
  }
}

/** Places are looked for when a problem has one: for a text that is sound nobody asks. */
function originOf(document: TextDocument, base: Path): Origin {
  const find = (pointer: string) => document.find([...base, ...parsePointer(pointer)], 'value');
  return {
    ...(document.file !== undefined && { file: document.file }),
    get line() {
      return find('').line;
    },
    get column() {
      return find('').column;
    },
    find,
  };
}

function placeOf(document: TextDocument | null, path: Path): string {
  if (document === null) return 'before';
  const { line } = document.find(path, 'value');
  return `at ${document.file === undefined ? 'line ' : `${document.file}:`}${line}`;
}

function parsePointer(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}
