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
export async function compileFilter(source: FilterSource): Promise<Uint8Array> {
  const asc = await import('assemblyscript/asc');
  const folder = dirname(resolve(source.entry));
  const sdk = relative(folder, SDK);
  const entry = entryFor(source.entry, sdk === '' ? '.' : sdk);
  let wasm: Uint8Array | null = null;
  let messages = '';
  const collect = {
    write(text: string | Uint8Array): boolean {
      messages += typeof text === 'string' ? text : Buffer.from(text).toString();
      return true;
    },
  };
  const { error } = await asc.main(
    [
      `${ENTRY}.ts`,
      '--outFile',
      'out.wasm',
      '--runtime',
      source.runtime,
      '--exportStart',
      '_initialize',
      '--use',
      `abort=${join(sdk, 'abort').replaceAll('\\', '/')}/abort`,
      '-O3',
      '--shrinkLevel',
      '1',
      '--converge',
      '--noAssert',
      '--enable',
      'bulk-memory',
    ],
    {
      stdout: collect,
      stderr: collect,
      readFile(name: string): string | null {
        if (name === `${ENTRY}.ts`) return entry;
        const path = resolve(folder, name);
        return existsSync(path) ? readFileSync(path, 'utf8') : null;
      },
      writeFile(name: string, contents: string | Uint8Array): void {
        if (name === 'out.wasm' && typeof contents !== 'string') wasm = contents;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || wasm === null) throw new Error(`${source.name}: ${messages.trim() || error?.message}`);
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
