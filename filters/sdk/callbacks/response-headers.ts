// Export: the response's head.

import { enter } from '../contexts';
import { HttpFilter } from '../filter';
import { openFrame } from '../frame';
import { Head } from '../head';

const head = new Head(2);

export function proxy_on_response_headers(id: u32, count: u32, end: u32): u32 {
  const filter = enter(id);
  if (filter == null) return 0;
  openFrame(2);
  head.count = count;
  head.end = end != 0;
  return changetype<HttpFilter>(filter).onResponseHeaders(head);
}
