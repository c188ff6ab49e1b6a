// Export: bytes of a connection, from its client.

import { Body } from '../body';
import { enter } from '../contexts';
import { NetworkFilter } from '../filter';

const data = new Body(2);

export function proxy_on_downstream_data(id: u32, size: u32, end: u32): u32 {
  const filter = enter(id);
  if (filter == null) return 0;
  data.size = size;
  data.end = end != 0;
  return changetype<NetworkFilter>(filter).onDownstreamData(data);
}
