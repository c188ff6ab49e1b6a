// Export: the request's trailers.

import { enter } from '../contexts';
import { HttpFilter } from '../filter';
import { Head } from '../head';

const trailers = new Head(1);

export function proxy_on_request_trailers(id: u32, count: u32): u32 {
  const filter = enter(id);
  if (filter == null) return 0;
  trailers.count = count;
  trailers.end = true;
  return changetype<HttpFilter>(filter).onRequestTrailers(trailers);
}
