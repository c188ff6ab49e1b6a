// Builds a plugin's folder with the compiler of its language: AssemblyScript by ours, Rust and Go by theirs. What comes out is
// looked at as proxies will.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Problem } from '../../core/config/resource.ts';
import type { PluginDescription } from '../../core/wasm/trial/check.ts';
import type { Project } from '../../plugins/project.ts';
import { CliError, EXIT } from '../exit.ts';

export interface Built {
  /** Path of the module. */
  readonly wasm: string;
  readonly bytes: Uint8Array;
  readonly description: PluginDescription;
  /** 'sha256:...' */
  readonly digest: string;
  /** The module for debugging; null: its language has none. */
  readonly debug: string | null;
}

const ENTRIES = ['filter.ts', 'index.ts', 'src/index.ts', 'assembly/index.ts'];
const TARGET = 'wasm32-wasip1';

/**
 * 'release' is what is published, 'both' that and the one for debugging. 'debug' is the latter alone where the language has one:
 * it compiles in a fraction of the time, and traps in it name functions.
 */
export type Which = 'release' | 'debug' | 'both';

/** False: there is a module and no source of it. */
export function canBuild({ folder }: Project): boolean {
  return [...ENTRIES, 'Cargo.toml', 'go.mod'].some((file) => existsSync(join(folder, file)));
}

/** Throws CliError: what does not compile as problems with their places; what was built before is then left. */
export async function buildProject(project: Project, which: Which): Promise<Built> {
  const { folder } = project;
  let { wasm } = project;
  await mkdir(dirname(wasm), { recursive: true });
  const entry = ENTRIES.find((file) => existsSync(join(folder, file)));
  let debug: string | null = null;
  if (entry !== undefined) {
    if (which !== 'release') debug = join(dirname(wasm), 'debug.wasm');
    await byAssemblyScript(join(folder, entry), which === 'debug' ? null : wasm, debug);
    if (which === 'debug') wasm = debug ?? wasm;
  } else if (existsSync(join(folder, 'Cargo.toml'))) await byCargo(folder, wasm);
  else if (existsSync(join(folder, 'go.mod'))) await byGo(folder, wasm);
  else
    throw new CliError(`${folder} has neither ${ENTRIES[0]} nor Cargo.toml nor go.mod: nothing to build`, EXIT.usage);
  const [{ checkPlugin }, { createHash }] = await Promise.all([
    import('../../core/wasm/trial/check.ts'),
    import('node:crypto'),
  ]);
  const bytes = await readFile(wasm);
  const { description } = checkPlugin(bytes);
  if (description.refusal !== null) throw new CliError(`${wasm} cannot run: ${description.refusal}`, EXIT.refused);
  return { wasm, bytes, description, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, debug };
}

async function byAssemblyScript(entry: string, release: string | null, debug: string | null): Promise<void> {
  const [{ compileFilter }, { CompileError, CompilerMissing }] = await Promise.all([
    import('../../asbuild/compile.ts'),
    import('../../asbuild/compiler.ts'),
  ]);
  try {
    if (release !== null) await compileFilter({ entry, out: release, sourceMap: true });
    if (debug !== null) await compileFilter({ entry, out: debug, mode: 'debug', sourceMap: release !== null });
  } catch (error) {
    if (error instanceof CompilerMissing) throw new CliError(error.message, EXIT.failure);
    if (!(error instanceof CompileError)) throw error;
    const problems = error.problems.map((problem): Problem => ({ ...problem, severity: 'error', code: 'compile' }));
    const many = problems.length === 1 ? 'an error' : `${problems.length} errors`;
    throw new CliError(`${many} in the filter: nothing was built`, EXIT.failure, problems);
  }
}

async function byCargo(folder: string, wasm: string): Promise<void> {
  await run(folder, 'cargo', ['build', '--release', '--target', TARGET]);
  const manifest = await readFile(join(folder, 'Cargo.toml'), 'utf8');
  const name = /^\s*name\s*=\s*"([^"]+)"/m.exec(manifest)?.[1] ?? basename(folder);
  await copyFile(join(folder, 'target', TARGET, 'release', `${name.replaceAll('-', '_')}.wasm`), wasm);
}

async function byGo(folder: string, wasm: string): Promise<void> {
  const env = { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm' };
  await run(folder, 'go', ['build', '-buildmode=c-shared', '-ldflags=-s -w', '-o', resolve(wasm), '.'], env);
}

/** Its words go to standard error. */
async function run(folder: string, command: string, args: readonly string[], env = process.env): Promise<void> {
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 2, 2] });
  const ended = once(child, 'close');
  await Promise.race([once(child, 'spawn'), once(child, 'error').then(([error]) => Promise.reject(error))]).catch(
    (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'it is not installed' : error.message;
      throw new CliError(`cannot run ${command}: ${why}`);
    },
  );
  const [code] = await ended;
  if (code !== 0) throw new CliError(`${command} ended with exit code ${code}: nothing was built`);
}
