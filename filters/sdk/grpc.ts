// gRPC calls and streams to services of the mesh. What comes of them comes in later callbacks, to the object that began them.

import { OK, proxy_get_status, proxy_grpc_call, proxy_grpc_cancel, proxy_grpc_close, proxy_grpc_send, proxy_grpc_stream } from './abi';
import { temporary } from './arena';
import { Callers } from './callers';
import { actFor, current, enter } from './contexts';
import { Plugin } from './filter';
import { Pairs, pairs } from './pairs';
import { Slice, slice } from './slice';

const calls = new Callers();
const streams = new Callers();

/**
 * Calls a method that takes one message and gives one: `grpcCall(LIMITER, bytes('envoy.service.ratelimit.v3.RateLimitService'),
 * bytes('ShouldRateLimit'), message, 500)`. Ends in onGrpcMessage() with the answer, or else in onGrpcClose() with a status that is not 0.
 * 0: it is not made, because there is no such service; the host's log says why.
 */
export function grpcCall(
  upstream: Slice, service: Slice, method: Slice, message: Slice, timeoutMs: u32, metadata: Pairs = pairs(),
): u32 {
  const list = metadata.encode();
  const out = temporary(4);
  const status = proxy_grpc_call(
    upstream.ptr, upstream.length, service.ptr, service.length, method.ptr, method.length, list.ptr, list.length,
    message.ptr, message.length, timeoutMs, out,
  );
  return status == OK ? remembered(calls, load<u32>(out)) : 0;
}

/** Opens a stream of messages, both ways. Ends in onGrpcClose(). 0: as with grpcCall(). */
export function grpcStream(upstream: Slice, service: Slice, method: Slice, metadata: Pairs = pairs()): u32 {
  const list = metadata.encode();
  const out = temporary(4);
  const status = proxy_grpc_stream(
    upstream.ptr, upstream.length, service.ptr, service.length, method.ptr, method.length, list.ptr, list.length, out,
  );
  return status == OK ? remembered(streams, load<u32>(out)) : 0;
}

/** One message on a stream; `end`: the last one. False: the stream is over or ended, or too much waits to be sent. */
export function grpcSend(stream: u32, message: Slice, end: bool = false): bool {
  return proxy_grpc_send(stream, message.ptr, message.length, end ? 1 : 0) == OK;
}

/** Nothing more is sent on a stream. What the service says still comes. */
export function grpcClose(stream: u32): void {
  proxy_grpc_close(stream);
}

/** Gives a call or a stream up: nothing more is heard of it. */
export function grpcCancel(id: u32): void {
  proxy_grpc_cancel(id);
  calls.take(id);
  streams.take(id);
}

/** In onGrpcClose(): what the service, or the host, says of the status. */
export function grpcStatusMessage(): Slice {
  const text = slice(0, 0);
  const at = changetype<usize>(text);
  text.exists = proxy_get_status(temporary(4), at, at + offsetof<Slice>('length')) == OK;
  return text;
}

/** Whose turn it is when something of this call or stream has come; null: it has ended without giving up what it began. The SDK's. */
export function grpcCaller(root: u32, id: u32, over: bool): Plugin | null {
  let caller = calls.take(id);
  if (caller == 0) caller = over ? streams.take(id) : streams.of(id);
  const filter = enter(caller);
  if (filter != null && (caller == root || actFor(caller))) return filter;
  if (!over) grpcCancel(id);
  return null;
}

function remembered(callers: Callers, id: u32): u32 {
  callers.add(id, current);
  return id;
}
