// Export: a call has ended.

import { callerOf } from '../call';
import { actFor, enter } from '../contexts';
import { Response } from '../response';

const response = new Response();

export function proxy_on_http_call_response(root: u32, call: u32, headers: u32, size: u32, trailers: u32): void {
  const caller = callerOf(call);
  const filter = enter(caller);
  // Streams end without giving up their calls.
  if (filter == null || (caller != root && !actFor(caller))) return;
  response.failed = headers == 0;
  response.head.count = headers;
  response.head.end = size == 0;
  response.body.size = size;
  response.body.end = true;
  response.trailers.count = trailers;
  response.trailers.end = true;
  filter.onCallResponse(call, response);
}
