// Export: the request's body.

import { beginCallback } from '../arena';
import { Body } from '../body';
import { filterOf } from '../contexts';

const body = new Body(0);

export function proxy_on_request_body(id: u32, size: u32, end: u32): u32 {
  beginCallback();
  const filter = filterOf(id);
  if (filter == null) return 0;
  body.size = size;
  body.end = end != 0;
  return filter.onRequestBody(body);
}
