// One filter from AssemblyScript to WebAssembly. The exports follow from the methods that the filter overrides: a callback
// that nobody wrote is not exported, and the host does not call it.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export interface FilterSource {
  readonly name: string;
  /** The file that calls register(). */
  readonly entry: string;
  /**
   * 'minimal' frees what a filter allocates, at points where nothing is on the stack. 'stub' never frees: for filters that
   * allocate nothing once they are configured, smaller by 2 KB.
   */
  readonly runtime: 'minimal' | 'stub';
}

const ROOT = dirname(import.meta.dirname);
const SDK = join(ROOT, 'filters', 'sdk');
const ENTRY = '.weft-entry';

/** Without exportStart the top level would run before a host can see the module's memory. */
const ALWAYS = ['--exportStart', '_initialize', '-O3', '--shrinkLevel', '1', '--converge', '--enable', 'bulk-memory'];

/** Method of HttpFilter -> the SDK's file that exports its callback. */
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
};

/** Compiles a filter. Rejects with the compiler's messages. */
export function compileFilter(source: FilterSource): Promise<Uint8Array> {
  const folder = dirname(resolve(source.entry));
  const sdk = relative(folder, SDK);
  const text = entryFor(source.entry, sdk === '' ? '.' : sdk);
  const abort = `abort=${join(sdk, 'abort').replaceAll('\\', '/')}/abort`;
  const flags = ['--runtime', source.runtime, '--use', abort, '--noAssert'];
  return compileModule(source.name, folder, text, flags);
}

/** Compiles `text` as if it were a file in `folder`. Rejects with the compiler's messages. */
export async function compileModule(
  name: string,
  folder: string,
  text: string,
  flags: readonly string[],
): Promise<Uint8Array> {
  // Loaded here, not above: it takes a second, and most starts find nothing to compile.
  const asc = await import('assemblyscript/asc');
  let wasm: Uint8Array | null = null;
  let messages = '';
  const collect = {
    write(part: string | Uint8Array): boolean {
      messages += typeof part === 'string' ? part : Buffer.from(part).toString();
      return true;
    },
  };
  const { error } = await asc.main([`${ENTRY}.ts`, '--outFile', 'out.wasm', '--noColors', ...ALWAYS, ...flags], {
    stdout: collect,
    stderr: collect,
    readFile(file: string): string | null {
      if (file === `${ENTRY}.ts`) return text;
      const path = resolve(folder, file);
      return existsSync(path) ? readFileSync(path, 'utf8') : null;
    },
    writeFile(file: string, contents: string | Uint8Array): void {
      if (file === 'out.wasm' && typeof contents !== 'string') wasm = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || wasm === null) throw new Error(`${name}: ${messages.trim() || error?.message}`);
  return wasm;
}

/** What is compiled: the filter, and the exports for the methods that it has. */
function entryFor(file: string, sdk: string): string {
  const text = readFileSync(file, 'utf8');
  const from = (path: string): string => {
    const specifier = path.replaceAll('\\', '/');
    return specifier.startsWith('.') ? specifier : `./${specifier}`;
  };
  const module = (file.split(/[\\/]/).pop() ?? '').replace(/\.ts$/, '');
  const lines = [
    `import './${module}';`,
    `import '${from(join(sdk, 'abort'))}';`,
    `export * from '${from(join(sdk, 'callbacks', 'plugin'))}';`,
  ];
  for (const [method, callback] of Object.entries(CALLBACKS)) {
    if (new RegExp(`^\\s*(?:override\\s+)?${method}\\s*\\(`, 'm').test(text)) {
      lines.push(`export * from '${from(join(sdk, 'callbacks', callback))}';`);
    }
  }
  return `${lines.join('\n')}\n`;
}
