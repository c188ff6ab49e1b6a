// Export: the request's head.

import { beginCallback } from '../arena';
import { filterOf } from '../contexts';
import { Head } from '../head';

const head = new Head(0);

export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 {
  beginCallback();
  const filter = filterOf(id);
  if (filter == null) return 0;
  head.count = count;
  head.end = end != 0;
  return filter.onRequestHeaders(head);
}
