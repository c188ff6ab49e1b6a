// Data that all instances of this plugin share, on every shard of a proxy.

import { CAS_MISMATCH, OK, proxy_get_shared_data, proxy_set_shared_data } from './abi';
import { temporary } from './arena';
import { Slice, slice } from './slice';

/** A shared value and the number that setShared() compares. Lasts for this callback. */
@unmanaged
export class SharedValue {
  value: Slice;
  cas: u32;
}

export function getShared(key: Slice): SharedValue {
  const value = slice(0, 0);
  const found = changetype<SharedValue>(temporary(offsetof<SharedValue>()));
  found.value = value;
  found.cas = 0;
  const at = changetype<usize>(value);
  value.exists =
    proxy_get_shared_data(
      key.ptr,
      key.length,
      at,
      at + offsetof<Slice>('length'),
      changetype<usize>(found) + offsetof<SharedValue>('cas'),
    ) == OK;
  return found;
}

/** False: somebody else wrote since `cas` was read (0 = write whatever is there), or there is no room. */
export function setShared(key: Slice, value: Slice, cas: u32 = 0): bool {
  return proxy_set_shared_data(key.ptr, key.length, value.ptr, value.length, cas) != CAS_MISMATCH;
}
