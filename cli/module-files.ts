// The modules that WasmPlugins name by file: URLs. They are read here, where the command runs, and stored by their digest; the
// control plane never reads a path that somebody sends it.
import { fileURLToPath } from 'node:url';
import type { ModuleFiles } from '../control/apply.ts';
import type { SourceFile } from '../control/checker/messages.ts';
import type { WasmPluginSpec } from '../core/config/kinds/wasm-plugin.ts';
import type { Api } from './api.ts';
import { CliError, EXIT } from './exit.ts';

/** By URL. With `store` they are in the mesh afterwards. Throws CliError. */
export async function moduleFiles(api: Api, files: readonly SourceFile[], store: boolean): Promise<ModuleFiles> {
  // Most configuration has none, and is neither decoded twice nor worth to load what decodes it.
  if (!files.some(({ text }) => text.includes('WasmPlugin') && text.includes('file:'))) return {};
  const [{ digestOf }, { decodeFiles }, { readWasm }] = await Promise.all([
    import('../bus/digest.ts'),
    import('../core/config/decode.ts'),
    import('./wasm-file.ts'),
  ]);
  const { resources } = decodeFiles(files.map(({ name, text }) => ({ text, file: name })));
  const urls = resources.flatMap(({ kind, spec }) => (kind === 'WasmPlugin' ? [(spec as WasmPluginSpec).url] : []));
  const digests: Record<string, string> = {};
  for (const url of new Set(urls.filter((each) => each.startsWith('file:')))) {
    const { bytes } = await readWasm(pathOf(url));
    digests[url] = digestOf(bytes);
    if (store) await api.putModule(digests[url], bytes);
  }
  return digests;
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new CliError(`${url} is no path of this machine: ${(error as Error).message}`, EXIT.usage);
  }
}
