// One filter from AssemblyScript to WebAssembly. The exports follow from the methods that the filter overrides: a callback
// that nobody wrote is not exported, and the host does not call it.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';

import { compileText, SDK_FOLDER, SDK_PACKAGE } from './compiler.ts';

export interface FilterSource {
  /** The file that calls register(); anywhere. It imports the SDK as '@weft-mesh/weft/sdk'. */
  readonly entry: string;
  /** What messages call it; the entry's path without it. */
  readonly name?: string;
  /** Where the module is written, beside what is returned. */
  readonly out?: string;
  /** 'debug' keeps names and assertions, and optimises nothing. */
  readonly mode?: 'release' | 'debug';
  /** Writes `out` + '.map' too, and names it in the module. Needs `out`. */
  readonly sourceMap?: boolean;
  /**
   * 'minimal' (also without it) frees what a filter allocates, at points where nothing is on the stack. 'stub' never frees:
   * for filters that allocate nothing once they are configured, smaller by 2 KB.
   */
  readonly runtime?: 'minimal' | 'stub';
}

const FILTERS = dirname(SDK_FOLDER);
const RELEASE = ['-O3', '--shrinkLevel', '1', '--converge', '--noAssert'];
const DEBUG = ['--debug', '-O0'];

/** Method of Plugin, HttpFilter or NetworkFilter -> the SDK's file that exports its callback. */
const CALLBACKS: Readonly<Record<string, string>> = {
  onRequestHeaders: 'request-headers',
  onRequestBody: 'request-body',
  onRequestTrailers: 'request-trailers',
  onResponseHeaders: 'response-headers',
  onResponseBody: 'response-body',
  onResponseTrailers: 'response-trailers',
  onWake: 'wake',
  onLog: 'log',
  onTick: 'tick',
  onQueue: 'queue',
  onCallResponse: 'call-response',
  onGrpcMetadata: 'grpc-metadata',
  onGrpcMessage: 'grpc-message',
  onGrpcTrailers: 'grpc-trailers',
  onGrpcClose: 'grpc-close',
  onNewConnection: 'new-connection',
  onDownstreamData: 'downstream-data',
  onUpstreamData: 'upstream-data',
  onDownstreamClose: 'downstream-close',
  onUpstreamClose: 'upstream-close',
};

/** Compiles a filter. Rejects with CompileError (file, line and column of each problem) or CompilerMissing. */
export async function compileFilter(source: FilterSource): Promise<Uint8Array> {
  const { out, mode = 'release', runtime = 'minimal', sourceMap = false } = source;
  const entry = resolve(source.entry);
  if (!existsSync(entry)) throw new Error(`${source.name ?? source.entry}: there is no file ${entry}`);
  const folder = dirname(entry);
  const sdk = sdkFrom(folder);
  const flags = ['--runtime', runtime, '--use', `abort=${aliasPath(sdk)}/abort/abort`];
  flags.push(...(mode === 'debug' ? DEBUG : RELEASE));
  if (sourceMap && out !== undefined) flags.push('--sourceMap', `${basename(out)}.map`);
  const compiled = await compileText(folder, entryFor(entry, sdk), flags);
  if (out !== undefined) {
    writeFileSync(out, compiled.wasm);
    if (compiled.sourceMap !== null) writeFileSync(`${out}.map`, compiled.sourceMap);
  }
  return compiled.wasm;
}

/** Compiles `text` as if it were a file in `folder`. Rejects as `compileFilter`. */
export async function compileModule(folder: string, text: string, flags: readonly string[]): Promise<Uint8Array> {
  return (await compileText(folder, text, [...RELEASE, ...flags])).wasm;
}

/** The SDK as files in this folder import it: the built-in filters by their place beside it, all others by its name. */
function sdkFrom(folder: string): string {
  const beside = relative(FILTERS, folder);
  if (beside.startsWith('..') || resolve(FILTERS, beside) !== folder) return SDK_PACKAGE;
  const path = relative(folder, SDK_FOLDER).replaceAll('\\', '/');
  return path === '' ? '.' : path.startsWith('.') ? path : `./${path}`;
}

/** The SDK's path in the names that the compiler gives to what files declare. */
function aliasPath(sdk: string): string {
  return sdk === SDK_PACKAGE ? `~lib/${sdk}` : sdk.replace(/^\.\//, '');
}

/** What is compiled: the filter, and the exports for the methods that it has. */
function entryFor(file: string, sdk: string): string {
  const text = [...sourcesOf(file, new Map())].join('\n');
  const lines = [
    `import './${basename(file).replace(/\.ts$/, '')}';`,
    `import '${sdk}/abort';`,
    `export * from '${sdk}/callbacks/plugin';`,
  ];
  for (const [method, callback] of Object.entries(CALLBACKS)) {
    if (overrides(method, text)) {
      lines.push(`export * from '${sdk}/callbacks/${callback}';`);
    }
  }
  if (overrides('onRequestHeaders', text) || overrides('onResponseHeaders', text)) {
    lines.push(`export * from '${sdk}/callbacks/frame';`);
  }
  if (!overrides('forStream', text)) lines.push(`export * from '${sdk}/callbacks/shared';`);
  return `${lines.join('\n')}\n`;
}

function overrides(method: string, text: string): boolean {
  return new RegExp(`(?:^|[{};])\\s*(?:(?:public|override)\\s+)*${method}\\s*\\(`, 'm').test(text);
}

/** The texts of a filter's own files: the entry, and what it imports from beside it. */
function sourcesOf(file: string, known: Map<string, string>): Iterable<string> {
  if (known.has(file) || !existsSync(file) || dirname(file) === SDK_FOLDER) return known.values();
  const text = readFileSync(file, 'utf8');
  known.set(file, text);
  for (const [, path] of text.matchAll(/\b(?:from|import)\s+['"](\.[^'"]*)['"]/g)) {
    const at = join(dirname(file), path);
    sourcesOf(`${at}.ts`, known);
    sourcesOf(join(at, 'index.ts'), known);
  }
  return known.values();
}
