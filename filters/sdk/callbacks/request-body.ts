// Export: the request's body.

import { Body } from '../body';
import { enter } from '../contexts';
import { HttpFilter } from '../filter';

const body = new Body(0);

export function proxy_on_request_body(id: u32, size: u32, end: u32): u32 {
  const filter = enter(id);
  if (filter == null) return 0;
  body.size = size;
  body.end = end != 0;
  return changetype<HttpFilter>(filter).onRequestBody(body);
}
