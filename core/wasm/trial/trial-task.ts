// A thread's task: what a module is, whether it may run, and whether it accepts configurations, tried on instances that
// see no traffic. Modules are rewritten and compiled here, away from the shards and from the main thread.

import { Timers } from '../../timers.ts';
import type { Node } from '../../workload.ts';
import type { Upstream } from '../abi/upstreams.ts';
import { WasmRuntime } from '../guest/runtime.ts';
import type { PluginConfig, PluginType } from '../guest/spec.ts';
import { PluginRefused } from '../guest/traps.ts';
import { createSharedMemory, emptySharedMemory, type SharedMemory } from '../shared/shared-memory.ts';
import { checkPlugin } from './check.ts';

/** Plain data and a compiled module. */
export interface TrialTask {
  readonly node: Node;
  /** As they came, or the module that an earlier trial made of them. */
  readonly code: Uint8Array | WebAssembly.Module;
  /** Pages of 64 KiB that an instance's memory may grow to. */
  readonly memoryPages: number;
  readonly configs: readonly PluginConfig[];
}

export interface Findings {
  /** Why no proxy may run it, in one line; else null. */
  readonly refusal: string | null;
  /** What was made of bytes. */
  readonly code: CheckedCode | null;
  /** For each configuration why it was not accepted, or null. */
  readonly refusals: readonly (string | null)[];
}

export interface CheckedCode {
  /** Metered. */
  readonly module: WebAssembly.Module;
  readonly type: PluginType;
  /** Names of capabilities.ts that its imports amount to. */
  readonly capabilities: readonly string[];
}

const DATA_BYTES = 1 << 20;
/** Calls of a trial lead somewhere, and nobody answers: it is over before that matters. */
const NOWHERE: Omit<Upstream, 'service'> = { call: () => () => undefined };

/** What the trials of this thread share, one task after the other. */
let shared: SharedMemory | null = null;

export default function tryOut({ node, code, memoryPages, configs }: TrialTask): Findings {
  if (code instanceof WebAssembly.Module) return { refusal: null, code: null, refusals: trials(node, code, configs) };
  const { description, module } = checkPlugin(code, { memoryPages });
  if (module === null) return { refusal: description.refusal, code: null, refusals: [] };
  const capabilities = description.capabilities.map(({ name }) => name);
  return {
    refusal: null,
    code: { module, type: description.kind ?? 'http', capabilities },
    refusals: trials(node, module, configs),
  };
}

function trials(node: Node, module: WebAssembly.Module, configs: readonly PluginConfig[]): (string | null)[] {
  // Megabytes for each would be garbage that nothing tells the collector of.
  shared ??= createSharedMemory(1, DATA_BYTES);
  emptySharedMemory(shared);
  const memory = shared;
  return configs.map((config) => trial(node, memory, { ...config, module, builtin: null, proven: true }));
}

function trial(node: Node, shared: SharedMemory, spec: Parameters<WasmRuntime['configure']>[0]): string | null {
  const timers = new Timers();
  const upstreams = { find: (service: string): Upstream => ({ service, ...NOWHERE }) };
  const runtime = new WasmRuntime({ node, shared, shard: 0, timers, upstreams, trial: true, log: () => undefined });
  try {
    runtime.configure(spec);
    return null;
  } catch (error) {
    if (error instanceof PluginRefused) return error.message;
    throw error;
  } finally {
    runtime.stop();
    timers.stop();
  }
}
