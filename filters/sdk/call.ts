// HTTP calls to services of the mesh. The answer comes in a later callback, to the object that called: a table in two arrays
// says which context waits for which call.

import { proxy_http_call } from './abi';
import { temporary } from './arena';
import { current } from './contexts';
import { Pairs } from './pairs';
import { Slice } from './slice';

const EMPTY: u32 = 0;

let calls: usize = 0;
let contexts: usize = 0;
let capacity: i32 = 0;
let waiting: i32 = 0;

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
  remember(id, current);
  return id;
}

/** The context that made this call, which is forgotten; 0: none. */
export function callerOf(id: u32): u32 {
  for (let i = 0; i < waiting; i++) {
    if (load<u32>(calls + (<usize>i << 2)) != id) continue;
    const context = load<u32>(contexts + (<usize>i << 2));
    const last = <usize>--waiting << 2;
    store<u32>(calls + (<usize>i << 2), load<u32>(calls + last));
    store<u32>(contexts + (<usize>i << 2), load<u32>(contexts + last));
    return context;
  }
  return EMPTY;
}

function remember(id: u32, context: u32): void {
  if (waiting == capacity) {
    capacity = capacity == 0 ? 16 : capacity << 1;
    calls = grown(calls);
    contexts = grown(contexts);
  }
  store<u32>(calls + (<usize>waiting << 2), id);
  store<u32>(contexts + (<usize>waiting << 2), context);
  waiting++;
}

function grown(old: usize): usize {
  const larger = heap.alloc(<usize>capacity << 2);
  if (old == 0) return larger;
  memory.copy(larger, old, <usize>waiting << 2);
  heap.free(old);
  return larger;
}
