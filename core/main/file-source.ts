// Configuration from a folder: every YAML and JSON file below it, read again when something changes. A folder that does
// not decode leaves the old configuration serving, and says where and why.

import { hash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FSWatcher } from 'chokidar';
import { decodeFiles, formatProblem, placeProblems } from '../config/decode.ts';
import { isError } from '../config/problem.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import { decodeText } from '../config/text.ts';
import { crossCheck } from '../config/validate.ts';
import type { Configuration, Outcome } from './configuration.ts';
import { findModule, resolveFileUrls } from './file-modules.ts';
import { isLeftOut, watchFolder } from './folder-watch.ts';
import type { Log } from './options.ts';
import type { Source } from './source.ts';

/** Editors write a file in several steps. */
const SETTLE_MS = 50;
/** Changes that the system does not report (network folders, full watch tables) are found by looking. */
const RESCAN_MS = 5_000;
const MAX_FILES = 10_000;
const WASM = /\.wasm$/i;

export class FileSource implements Source {
  private readonly dir: string;
  private readonly configuration: Configuration;
  private readonly log: Log;
  private watcher: FSWatcher | null = null;
  private readonly stopped = new AbortController();
  private revision = 0;
  private seen = '';
  /** Files that WasmPlugins name, by digest. */
  private modules: ReadonlyMap<string, string> = new Map();
  private known = new Map<string, { readonly resource: Resource; readonly fingerprint: string }>();
  private timer: NodeJS.Timeout | null = null;
  private rescan: NodeJS.Timeout | null = null;
  private loading: Promise<void> = Promise.resolve();

  constructor(dir: string, configuration: Configuration, log: Log) {
    this.dir = dir;
    this.configuration = configuration;
    this.log = log;
  }

  /** Rejects when the folder cannot be read or what it holds is refused: nothing serves yet, so somebody must act. */
  async start(): Promise<void> {
    // Watched before it is read, so that no change falls between.
    this.watcher = await watchFolder(
      this.dir,
      () => this.loadSoon(SETTLE_MS),
      (error) =>
        this.log('warning', 'config', `${this.dir} is looked at every ${RESCAN_MS / 1000} s only: ${error.message}`),
    );
    if (this.stopped.signal.aborted) return this.watcher.close();
    const outcome = await this.load();
    if (outcome !== null && !outcome.ok) {
      throw new Error(
        `${this.dir} is refused: ${formatProblem(outcome.problems.find(isError) ?? outcome.problems[0])}`,
      );
    }
    this.rescan = setInterval(() => this.loadSoon(0), RESCAN_MS);
    this.rescan.unref();
  }

  /** A folder that cannot be used is told of by its proposals. */
  held(): string {
    return '';
  }

  status(): string {
    return `files in ${this.dir}`;
  }

  /** A file that a WasmPlugin names, or any of the folder that ends in .wasm and has this digest. */
  async module(digest: string): Promise<Uint8Array | null> {
    const named = this.modules.get(digest);
    return findModule(digest, named === undefined ? await findFiles(this.dir, WASM) : [named]);
  }

  async register(): Promise<void> {}

  async unregister(): Promise<void> {}

  async close(): Promise<void> {
    this.stopped.abort();
    await this.watcher?.close();
    if (this.timer !== null) clearTimeout(this.timer);
    if (this.rescan !== null) clearInterval(this.rescan);
    await this.loading;
  }

  private loadSoon(ms: number): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.loading = this.loading.then(async () => {
        try {
          if (!this.stopped.signal.aborted) await this.load();
        } catch (error) {
          this.log('error', 'config', `${this.dir} cannot be read, what is running stays: ${(error as Error).message}`);
        }
      });
    }, ms);
    this.timer.unref();
  }

  /** null when nothing changed. */
  private async load(): Promise<Outcome | null> {
    const { files, problems: unread } = await readFolder(this.dir);
    const seen = fingerprintOf([files, unread, await stamps(this.dir)]);
    if (seen === this.seen) return null;
    this.seen = seen;
    const decoded = decodeFiles(files);
    const resolved = await resolveFileUrls(decoded.resources);
    this.modules = resolved.named;
    const found = [...unread, ...decoded.problems, ...resolved.problems];
    const outcome = await this.configuration.propose({
      revision: ++this.revision,
      resources: this.merge(resolved.resources),
      // What could not be decoded is missing, which is no news about the rest.
      problems: found.some(isError) ? found : [...found, ...crossCheck(resolved.resources)],
    });
    const problems = placeProblems(once(outcome.problems), decoded);
    for (const problem of problems) {
      this.log(isError(problem) ? 'error' : 'warning', 'config', formatProblem(problem));
    }
    const { running } = this.configuration;
    if (outcome.ok) {
      const counted = `${decoded.resources.length} resources of ${files.length} files`;
      this.log('info', 'config', `revision ${this.revision} runs: ${counted}, ${outcome.ms.toFixed(1)} ms`);
    } else if (running !== null) {
      this.log('error', 'config', `${this.dir} is refused; revision ${running.revision} stays`);
    }
    return { ...outcome, problems };
  }

  /** Resources that read as before stay the same objects, so that only what changed is compiled. */
  private merge(resources: readonly Resource[]): Map<string, Resource> {
    const next = new Map<string, { resource: Resource; fingerprint: string }>();
    for (const resource of resources) {
      const key = resourceKey(resource);
      const fingerprint = fingerprintOf(resource);
      const known = this.known.get(key);
      next.set(key, known?.fingerprint === fingerprint ? known : { resource, fingerprint });
    }
    this.known = next;
    return new Map([...next].map(([key, { resource }]) => [key, resource]));
  }
}

/** A destination that is not there is found by the check of the whole, exactly, and by the compile. */
function once(problems: readonly Problem[]): Problem[] {
  const exact = ({ code, resource, pointer }: Problem): boolean =>
    problems.some(
      (other) => other.code === code && other.resource === resource && other.pointer?.startsWith(`${pointer}/`),
    );
  return problems.filter((problem) => !exact(problem));
}

async function findFiles(dir: string, pattern: RegExp): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !isLeftOut(dir, path))
    .sort();
}

/** What changes with the modules of a folder. */
async function stamps(dir: string): Promise<string[]> {
  const files = await findFiles(dir, WASM);
  return Promise.all(
    files.map(async (file) => {
      const found = await stat(file).catch(() => null);
      return found === null ? file : `${file} ${found.size} ${found.mtimeMs}`;
    }),
  );
}

/** What was read is not kept in order to know whether it is otherwise. */
function fingerprintOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value), 'base64');
}

/** Texts, and what is none. */
async function readFolder(dir: string): Promise<{ files: { file: string; text: string }[]; problems: Problem[] }> {
  const paths = await findFiles(dir, /\.(ya?ml|json)$/i);
  if (paths.length > MAX_FILES) throw new Error(`${paths.length} files are more than ${MAX_FILES}`);
  const files: { file: string; text: string }[] = [];
  const problems: Problem[] = [];
  const read = await Promise.all(paths.map(async (file) => ({ file, bytes: await readIfThere(file) })));
  for (const { file, bytes } of read) {
    if (bytes === null) continue;
    const decoded = decodeText(bytes, file);
    if ('problem' in decoded) problems.push(decoded.problem);
    else files.push({ file, text: decoded.text });
  }
  return { files, problems };
}

/** null for a file that went away between the listing and the reading. */
async function readIfThere(file: string): Promise<Uint8Array | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
