// Shared queues: from any filter of a proxy to the one that registered the queue, over all shards.

import {
  OK,
  proxy_dequeue_shared_queue,
  proxy_enqueue_shared_queue,
  proxy_register_shared_queue,
  proxy_resolve_shared_queue,
} from './abi';
import { temporary } from './arena';
import { Slice, slice } from './slice';

/** A queue of this plugin's, for onConfigure(): onQueue() is called when something is in it. The same name, the same queue. */
export function registerQueue(name: Slice): u32 {
  const out = temporary(4);
  store<u32>(out, 0);
  proxy_register_shared_queue(name.ptr, name.length, out);
  return load<u32>(out);
}

/** The queue that a plugin of this vm id registered, or 0. */
export function findQueue(vmId: Slice, name: Slice): u32 {
  const out = temporary(4);
  return proxy_resolve_shared_queue(vmId.ptr, vmId.length, name.ptr, name.length, out) == OK ? load<u32>(out) : 0;
}

/** False: there is no such queue, or no room in it. */
export function enqueue(queue: u32, value: Slice): bool {
  return proxy_enqueue_shared_queue(queue, value.ptr, value.length) == OK;
}

/** The oldest value, which is taken out; does not exist when the queue is empty. */
export function dequeue(queue: u32): Slice {
  const value = slice(0, 0, false);
  const at = changetype<usize>(value);
  value.exists = proxy_dequeue_shared_queue(queue, at, at + offsetof<Slice>('length')) == OK;
  return value;
}
