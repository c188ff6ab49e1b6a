// Export: bytes of a connection, from its server.

import { Body } from '../body';
import { enter } from '../contexts';
import { NetworkFilter } from '../filter';

const data = new Body(3);

export function proxy_on_upstream_data(id: u32, size: u32, end: u32): u32 {
  const filter = enter(id);
  if (filter == null) return 0;
  data.size = size;
  data.end = end != 0;
  return changetype<NetworkFilter>(filter).onUpstreamData(data);
}
