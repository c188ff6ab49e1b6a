// Exports that every filter has: memory, contexts, configuration.

import { temporary } from '../arena';
import { readBuffer } from '../body';
import { addContext, enter, removeContext } from '../contexts';
import { factory } from '../filter';

const PLUGIN_CONFIGURATION: u32 = 7;

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_memory_allocate(size: usize): usize {
  return temporary(size);
}

export function proxy_on_context_create(id: u32, parent: u32): void {
  const root = enter(parent);
  if (parent == 0) {
    const made = factory();
    made.root = id;
    addContext(id, made);
    return;
  }
  if (root != null) addContext(id, root.child());
}

export function proxy_on_vm_start(_root: u32, _size: u32): u32 {
  return 1;
}

export function proxy_on_configure(root: u32, size: u32): u32 {
  const filter = enter(root);
  return filter != null && filter.onConfigure(readBuffer(PLUGIN_CONFIGURATION, 0, size)) ? 1 : 0;
}

export function proxy_on_delete(id: u32): void {
  const filter = enter(id);
  if (filter == null) return;
  if (filter.root == id) filter.onRetired();
  removeContext(id);
}
