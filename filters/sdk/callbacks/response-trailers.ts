// Export: the response's trailers.

import { beginCallback } from '../arena';
import { filterOf } from '../contexts';
import { Head } from '../head';

const trailers = new Head(3);

export function proxy_on_response_trailers(id: u32, count: u32): u32 {
  beginCallback();
  const filter = filterOf(id);
  if (filter == null) return 0;
  trailers.count = count;
  trailers.end = true;
  return filter.onResponseTrailers(trailers);
}
