// Exports that every filter has: memory, contexts, configuration.

import { beginCallback, temporary } from '../arena';
import { readBuffer } from '../body';
import { addContext, filterOf, removeContext } from '../contexts';
import { factory } from '../filter';
import { refreshLevel } from '../log';

const PLUGIN_CONFIGURATION: u32 = 7;
/** Streams between two looks at the log level and at the garbage. */
const EVERY: u32 = 256;

let streams: u32 = 0;

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_memory_allocate(size: usize): usize {
  return temporary(size);
}

export function proxy_on_context_create(id: u32, parent: u32): void {
  beginCallback();
  if (parent == 0) {
    refreshLevel();
    const made = factory();
    made.root = id;
    addContext(id, made);
    return;
  }
  const root = filterOf(parent);
  if (root != null) addContext(id, root.forStream());
}

export function proxy_on_vm_start(_root: u32, _size: u32): u32 {
  return 1;
}

export function proxy_on_configure(root: u32, size: u32): u32 {
  beginCallback();
  const filter = filterOf(root);
  return filter != null && filter.onConfigure(readBuffer(PLUGIN_CONFIGURATION, 0, size)) ? 1 : 0;
}

export function proxy_on_delete(id: u32): void {
  const filter = filterOf(id);
  removeContext(id);
  if (filter != null && filter.root == id) {
    beginCallback();
    filter.onRetired();
  }
  if (++streams % EVERY != 0) return;
  beginCallback();
  refreshLevel();
  // Nothing of ours is on the stack here, so whatever is not reachable is garbage.
  __collect();
}
