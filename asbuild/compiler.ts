// The AssemblyScript compiler: loaded when something is compiled, from this package or from the folder of the author, and
// told where the SDK lies. What it finds wrong becomes one line a problem.

import { existsSync, readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';

/** What filters import the SDK as; it is the one of this package, whether or not the package is installed beside them. */
export const SDK_PACKAGE = '@weft-mesh/weft/sdk';
export const SDK_FOLDER = join(dirname(import.meta.dirname), 'filters', 'sdk');
/** The version that the SDK is written for. */
export const COMPILER = 'assemblyscript@0.28.20';

const ENTRY = '.weft-entry.ts';
const OUT = 'out.wasm';
const IN_SDK = new RegExp(`(?:^|/)node_modules/${SDK_PACKAGE}/(.+)$`);
const ERROR = 3;

/** Without exportStart the top level would run before a host can see the module's memory. */
const ALWAYS = ['--exportStart', '_initialize', '--enable', 'bulk-memory'];

export interface Problem {
  /** Path as it is shown: from the working directory when it is below, else absolute. */
  readonly file: string;
  /** From 1; 0: about the whole file. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** Sources that do not compile. The message has a line for each problem: `file:line:column message`. */
export class CompileError extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(({ file, line, column, message }) => `${file}:${line}:${column} ${message}`).join('\n'));
    this.name = 'CompileError';
    this.problems = problems;
  }
}

/** There is no compiler: it is not part of a running mesh. The message says what to install. */
export class CompilerMissing extends Error {
  constructor(folder: string) {
    super(`the AssemblyScript compiler is not installed: npm install --save-dev ${COMPILER} (looked in ${folder})`);
    this.name = 'CompilerMissing';
  }
}

export interface Compiled {
  readonly wasm: Uint8Array;
  /** JSON, when the flags ask for one. */
  readonly sourceMap: string | null;
}

/** Compiles `text` as if it were a file in `folder`. Rejects with CompileError or CompilerMissing. */
export async function compileText(folder: string, text: string, flags: readonly string[]): Promise<Compiled> {
  const asc = await loadCompiler(folder);
  const problems: Problem[] = [];
  const texts = new Map<string, string>([[ENTRY, text]]);
  let wasm: Uint8Array | null = null;
  let sourceMap: string | null = null;
  let messages = '';
  const collect = {
    write(part: string | Uint8Array): boolean {
      messages += typeof part === 'string' ? part : Buffer.from(part).toString();
      return true;
    },
  };
  optimiseCompiler(false);
  const { error } = await asc
    .main([ENTRY, '--outFile', OUT, '--noColors', ...ALWAYS, ...flags], {
      stdout: collect,
      stderr: collect,
      readFile(file: string): string | null {
        if (file === ENTRY) return text;
        const path = pathOf(folder, file);
        if (!existsSync(path)) return null;
        const read = readFileSync(path, 'utf8');
        texts.set(path, read);
        return read;
      },
      writeFile(file: string, contents: string | Uint8Array): void {
        if (typeof contents === 'string') sourceMap = contents;
        else if (file === OUT) wasm = contents;
      },
      listFiles: () => [],
      reportDiagnostic({ message, code, category, range }): void {
        if (category !== ERROR) return;
        const source = range?.source?.normalizedPath ?? ENTRY;
        const path = source === ENTRY ? ENTRY : pathOf(folder, source.replace(/^~lib\//, 'node_modules/'));
        problems.push({
          file: shown(path),
          ...placeIn(texts.get(path) ?? '', range?.start ?? 0),
          message: `${message} (TS${code})`,
        });
      },
    })
    .finally(() => optimiseCompiler(true));
  if (problems.length > 0) throw new CompileError(problems);
  if (error !== null || wasm === null) throw new Error(messages.trim() || error?.message);
  return { wasm, sourceMap };
}

/**
 * The compiler's own WebAssembly (Binaryen) works for a second or two: to optimise it costs more than it saves. These are
 * flags of the whole process, so they stand only while something is compiled; two that overlap are only slower.
 */
function optimiseCompiler(yes: boolean): void {
  const no = yes ? '' : 'no-';
  setFlagsFromString(`--${no}wasm-tier-up`);
  setFlagsFromString(`--${no}wasm-dynamic-tiering`);
}

type Compiler = typeof import('assemblyscript/asc');

/** Loaded here, not above: it takes a second, and most starts find nothing to compile. */
async function loadCompiler(folder: string): Promise<Compiler> {
  for (const from of [join(folder, 'any.js'), import.meta.filename]) {
    const manifest = packageFrom(from);
    if (manifest === undefined) continue;
    return (await import(pathToFileURL(join(dirname(manifest), 'dist', 'asc.js')).href)) as Compiler;
  }
  throw new CompilerMissing(folder);
}

function packageFrom(file: string): string | undefined {
  try {
    return findPackageJSON('assemblyscript', pathToFileURL(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Where a file that the compiler asks for lies. */
function pathOf(folder: string, file: string): string {
  const inSdk = IN_SDK.exec(file.replaceAll('\\', '/'));
  return inSdk === null ? resolve(folder, file) : join(SDK_FOLDER, inSdk[1]);
}

function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

function placeIn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const start = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - start + 1 };
}
