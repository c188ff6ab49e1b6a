// The plugin that opens a context, and the virtual machine that it runs on, as the context sees them. Types only: plugin.ts and
// vm.ts are what they are.

import type { Wants } from '../../exchange/filter.ts';
import type { Callback, Context, TimedPlugin } from './context.ts';
import type { Instance } from './instance.ts';
import type { PluginSpec } from './spec.ts';

export interface ContextPlugin extends TimedPlugin {
  readonly spec: PluginSpec;
  readonly wants: Wants;
  readonly vm: ContextVm;
  /** Its root in the present instance; 0 while there is none. */
  readonly contextId: number;
  /** Its strategy is FAIL_OPEN. */
  readonly failsOpen: boolean;
  /** A context that it opened is no more. */
  streamEnded(): void;
}

export interface ContextVm {
  /** Something was thrown out of the guest. `running`: the context whose callback it was, when that must hear of it at once. */
  trapped(
    instance: Instance,
    plugin: { readonly name: string },
    callback: string,
    error: unknown,
    running?: Context,
  ): void;
  /** Calls a guest outside of an exchange's turn. */
  call(instance: Instance, context: Context, name: string, callback: Callback | null, ...parameters: number[]): number;
}
