// What a module must be before any of it runs: one line says why it is not.

import { ABI_MARKERS, CALLBACKS } from '../abi/abi.ts';
import { importSignature } from '../abi/imports.ts';
import { PluginRefused } from './traps.ts';

/** Throws PluginRefused unless this is a proxy-wasm module whose imports we all have. */
export function checkModule(module: WebAssembly.Module): void {
  const exports = WebAssembly.Module.exports(module);
  const markers = exports.filter(({ name }) => Object.hasOwn(ABI_MARKERS, name));
  if (markers.length !== 1) {
    const found = exports.filter(({ name }) => name.startsWith('proxy_abi_version_')).map(({ name }) => name);
    if (markers.length > 1) throw new PluginRefused(`several ABI versions: ${found.join(', ')}`);
    throw new PluginRefused(
      found.length > 0 ? `unknown ABI version ${found[0]}` : 'no proxy-wasm module: it exports no proxy_abi_version',
    );
  }
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind !== 'function') throw new PluginRefused(`imports the ${kind} ${from}.${name}, which no host provides`);
    if (importSignature(from, name) === undefined)
      throw new PluginRefused(`imports the unknown function ${from}.${name}`);
  }
  const kinds = new Map(exports.map(({ name, kind }) => [name, kind]));
  if (kinds.get('memory') !== 'memory') throw new PluginRefused('exports no memory');
  if (!kinds.has('malloc') && !kinds.has('proxy_on_memory_allocate')) {
    throw new PluginRefused('exports neither malloc nor proxy_on_memory_allocate');
  }
  for (const name of Object.keys(CALLBACKS)) {
    const kind = kinds.get(name);
    if (kind !== undefined && kind !== 'function') throw new PluginRefused(`exports ${name} as a ${kind}`);
  }
}

/** JavaScript pads and drops arguments silently, so the number of each callback's parameters is checked once linked. */
export function checkArity(exports: Record<string, unknown>): void {
  for (const [name, { params }] of Object.entries(CALLBACKS)) {
    const callback = exports[name];
    if (typeof callback !== 'function' || params.includes(callback.length)) continue;
    throw new PluginRefused(`${name} takes ${callback.length} parameters instead of ${params.join(' or ')}`);
  }
}
