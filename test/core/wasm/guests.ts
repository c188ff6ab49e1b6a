// Guests written by hand, in WebAssembly text, for what a compiler would not produce.

import { assemble } from '../../../asbuild/assemble.ts';

export interface GuestParts {
  /** '0_2_1' by default; '' for no marker. */
  readonly abi?: string;
  /** Imports, which have to come first. */
  readonly imports?: string;
  /** Functions, globals and the like. */
  readonly body?: string;
  /** Pages of memory. */
  readonly pages?: string;
  readonly memory?: string;
  readonly allocator?: string;
}

/** A bump allocator that never frees. */
const ALLOCATOR = `
  (global $top (mut i32) (i32.const 4096))
  (func $allocate (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))`;

/** A module that is a proxy-wasm guest, unless a part says otherwise. */
export function guest(parts: GuestParts = {}): Uint8Array {
  const abi = parts.abi ?? '0_2_1';
  return assemble(`(module
  ${parts.imports ?? ''}
  ${parts.memory ?? `(memory (export "memory") ${parts.pages ?? '1'})`}
  ${abi === '' ? '' : `(func (export "proxy_abi_version_${abi}"))`}
  ${parts.allocator ?? ALLOCATOR}
  ${parts.body ?? ''})`);
}

/** An import of module env; the name is also the function's in the text. */
export function env(name: string, parameters: string, result = 'i32'): string {
  const params = parameters === '' ? '' : `(param ${parameters})`;
  const results = result === '' ? '' : `(result ${result})`;
  return `(import "env" "${name}" (func $${name} ${params} ${results}))`;
}
