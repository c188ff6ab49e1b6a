// Export: the response's trailers.

import { enter } from '../contexts';
import { HttpFilter } from '../filter';
import { Head } from '../head';

const trailers = new Head(3);

export function proxy_on_response_trailers(id: u32, count: u32): u32 {
  const filter = enter(id);
  if (filter == null) return 0;
  trailers.count = count;
  trailers.end = true;
  return changetype<HttpFilter>(filter).onResponseTrailers(trailers);
}
