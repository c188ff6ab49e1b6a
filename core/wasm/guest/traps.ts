// How a guest can end before its time, and how any of it reads in one line.

import { CallForbidden, GuestExit, MemoryCapExceeded } from '../abi/abort.ts';
import type { FuelLimit } from './fuel.ts';

const MOST_TEXT = 1000;

/** A plugin that cannot run: a module that is none of ours, a configuration that it refuses. The message is one line. */
export class PluginRefused extends Error {
  constructor(message: string) {
    // Names of a module's making are in it.
    super(message.slice(0, MOST_TEXT).replace(/\p{Cc}+/gu, ' '));
  }
}

/** A guest that may be metered. */
interface Metered {
  readonly fuel: { readonly spent: boolean; readonly limit: FuelLimit } | null;
}

const SPENT: Readonly<Record<FuelLimit, string>> = {
  start: 'for starting',
  callback: 'for one callback',
  stream: 'for one stream',
  second: 'for one second',
};

/** Why an instance had to be replaced, as `weft_plugin_restarts_total` names it. */
export type RestartReason = 'trap' | 'fuel' | 'memory' | 'stack' | 'exit' | 'forbidden' | 'start' | 'deadline';

export function restartReason(error: unknown, instance: Metered): RestartReason {
  if (instance.fuel?.spent === true) return 'fuel';
  if (error instanceof MemoryCapExceeded) return 'memory';
  if (error instanceof RangeError) return 'stack';
  if (error instanceof GuestExit) return 'exit';
  return error instanceof CallForbidden ? 'forbidden' : 'trap';
}

/** What was thrown out of a guest, on one line. */
export function trapText(error: unknown, instance: Metered | null = null): string {
  if (instance?.fuel?.spent === true) return `ran for too long: its fuel ${SPENT[instance.fuel.limit]} is spent`;
  if (error instanceof RangeError) return 'stack exhausted';
  if (!(error instanceof Error)) return String(error);
  const text = error.message.split('\n', 1)[0];
  const where = error instanceof WebAssembly.RuntimeError ? frameOf(error) : '';
  return where === '' ? text : `${text} in ${where}`;
}

/** The innermost function of the guest, by name where it has names, with its offset. */
function frameOf(error: Error): string {
  const frame = /at (\S+) \(?wasm:\/\/[^)\s]*:(wasm-function\[\d+\]:0x[0-9a-f]+)\)?/.exec(error.stack ?? '');
  if (frame !== null) return `${frame[1]} (${frame[2]})`;
  return /wasm-function\[\d+\]:0x[0-9a-f]+/.exec(error.stack ?? '')?.[0] ?? '';
}
