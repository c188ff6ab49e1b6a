// Export: the server's side of a connection is closed.

import { enter } from '../contexts';
import { NetworkFilter } from '../filter';

export function proxy_on_upstream_connection_close(id: u32, peer: u32): void {
  const filter = enter(id);
  if (filter != null) changetype<NetworkFilter>(filter).onUpstreamClose(peer);
}
