// Export: a connection was accepted.

import { enter } from '../contexts';
import { NetworkFilter } from '../filter';

export function proxy_on_new_connection(id: u32): u32 {
  const filter = enter(id);
  return filter == null ? 0 : changetype<NetworkFilter>(filter).onNewConnection();
}
