// What a filter may do to the stream it is called for, and ask about it.

import {
  OK,
  proxy_call_foreign_function,
  proxy_close_stream,
  proxy_continue_stream,
  proxy_get_property,
  proxy_send_local_response,
  proxy_set_property,
} from './abi';
import { temporary } from './arena';
import { forgetProperties, offered } from './frame';
import { Pairs } from './pairs';
import { bytes, Slice, slice } from './slice';

export function continueRequest(): void {
  proxy_continue_stream(0);
}

export function continueResponse(): void {
  proxy_continue_stream(1);
}

/** What onDownstreamData() held, or the connection that onNewConnection() held, goes on. */
export function continueDownstream(): void {
  proxy_continue_stream(2);
}

export function continueUpstream(): void {
  proxy_continue_stream(3);
}

/** Ends the connection, without an answer: of an HTTP exchange, or of the client of a network filter. */
export function closeRequest(): void {
  proxy_close_stream(0);
}

export function closeDownstream(): void {
  proxy_close_stream(2);
}

export function closeUpstream(): void {
  proxy_close_stream(3);
}

/** Answers here, after this callback; the request goes no further. `details` are for the access log. */
export function reply(status: i32, body: Slice, details: Slice, grpcStatus: i32 = -1): void {
  proxy_send_local_response(status, details.ptr, details.length, body.ptr, body.length, 0, 0, grpcStatus);
}

/** As reply(), with headers: `replyWith(302, EMPTY, DETAILS, -1, pairs().add(LOCATION, url))`. */
export function replyWith(status: i32, body: Slice, details: Slice, grpcStatus: i32, headers: Pairs): void {
  const list = headers.encode();
  proxy_send_local_response(
    status, details.ptr, details.length, body.ptr, body.length, list.ptr, list.length, grpcStatus,
  );
}

/** The route is chosen again, by the head as it is now. Where the host has no such function, nothing happens. */
export function clearRouteCache(): void {
  callForeign(CLEAR_ROUTE_CACHE, 0, 0);
}

/** A property by its path, segments joined by \0: `bytes('source\0address')`. */
export function property(path: Slice): Slice {
  const value = slice(0, 0);
  const at = changetype<usize>(value);
  const given = offered(path);
  if (given != 0) {
    store<u64>(at, load<u64>(given));
    value.exists = load<bool>(given, offsetof<Slice>('exists'));
    return value;
  }
  value.exists = proxy_get_property(path.ptr, path.length, at, at + offsetof<Slice>('length')) == OK;
  return value;
}

/** A property that is a number or a time (`response\0code`, `request\0duration`), or `otherwise` when it is not known. */
export function numberProperty(path: Slice, otherwise: i64 = 0): i64 {
  const value = property(path);
  return value.exists && value.length == 8 ? load<i64>(value.ptr) : otherwise;
}

/** A property that is yes or no (`connection\0mtls`). */
export function booleanProperty(path: Slice): bool {
  const value = property(path);
  return value.exists && value.length == 1 && value.at(0) != 0;
}

/** Remembers something about this stream for the filters that come later. */
export function setProperty(path: Slice, value: Slice): void {
  proxy_set_property(path.ptr, path.length, value.ptr, value.length);
}

/** Calls a function that the host has beside the standard's. False: it has none of this name, or refused. */
export function callForeign(name: Slice, parameters: usize, length: i32): bool {
  forgetProperties();
  return proxy_call_foreign_function(name.ptr, name.length, parameters, length, 0, 0) == OK;
}

/** As `callForeign`, for what it answers; does not exist when the host has no such function, or refused. */
export function askForeign(name: Slice, parameters: usize, length: i32): Slice {
  forgetProperties();
  const value = slice(0, 0, false);
  const at = changetype<usize>(value);
  value.exists =
    proxy_call_foreign_function(name.ptr, name.length, parameters, length, at, at + offsetof<Slice>('length')) == OK;
  return value;
}

// @ts-ignore: decorator
@lazy
const FILTER_CONFIG = bytes('weft\0filter_config');
// @ts-ignore: decorator
@lazy
const CLEAR_ROUTE_CACHE = bytes('clear_route_cache');
// @ts-ignore: decorator
@lazy
const WAKE_AFTER = bytes('weft_wake_after');
// @ts-ignore: decorator
@lazy
const RESUME_AFTER = bytes('weft_resume_after');
// @ts-ignore: decorator
@lazy
const FLAG = bytes('weft_flag');

/** This route's configuration of this filter. Weft only: does not exist elsewhere. */
export function routeConfiguration(): Slice {
  return property(FILTER_CONFIG);
}

/** onWake() is called after some milliseconds, unless the stream ends before. Weft only. */
export function wakeAfter(ms: u32): bool {
  return callMilliseconds(WAKE_AFTER, ms);
}

/** The paused request continues by itself after some milliseconds. Weft only. */
export function resumeAfter(ms: u32): bool {
  return callMilliseconds(RESUME_AFTER, ms);
}

/** Sets a response flag for the access log, such as "FI". Weft only. */
export function flag(name: Slice): void {
  callForeign(FLAG, name.ptr, name.length);
}

function callMilliseconds(name: Slice, ms: u32): bool {
  const at = temporary(4);
  store<u32>(at, ms);
  return callForeign(name, at, 4);
}
