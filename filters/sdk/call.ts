// HTTP calls to services of the mesh. The answer comes in a later callback, to the object that called.

import { proxy_http_call } from './abi';
import { temporary } from './arena';
import { Callers } from './callers';
import { current } from './contexts';
import { Pairs } from './pairs';
import { Slice } from './slice';

const callers = new Callers();

/**
 * Sends a request to a service or cluster of the mesh: `call(AUTH, pairs().add(METHOD, GET).add(PATH, CHECK)
 * .add(AUTHORITY, AUTH), body, 500)`. onCallResponse() is told of its end, with the number that is returned.
 * 0: it is not sent, because there is no such service or a header is missing; the host's log says which.
 */
export function call(upstream: Slice, headers: Pairs, body: Slice, timeoutMs: u32): u32 {
  const list = headers.encode();
  const out = temporary(4);
  const status = proxy_http_call(
    upstream.ptr, upstream.length, list.ptr, list.length, body.ptr, body.length, 0, 0, timeoutMs, out,
  );
  if (status != 0) return 0;
  const id = load<u32>(out);
  callers.add(id, current);
  return id;
}

/** The context that made this call, which is forgotten; 0: none. */
export function callerOf(id: u32): u32 {
  return callers.take(id);
}
