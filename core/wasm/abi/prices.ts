// What a call of the host costs a metered guest, in units of fuel: about what the work would cost if the guest did it, by the sizes
// that the guest names. What a host function hands to the guest is paid for where it is handed over (instance.ts).
//
// A unit is about one instruction, between a quarter of a nanosecond and one. Guests of our own are not metered and pay nothing.

import type { HostFunction } from './abi.ts';
import type { Guest } from './guest.ts';
import { bodyOf } from './host-buffers.ts';
import { headOf } from './host-headers.ts';

/** Crossing into the host and back. */
const CALL = 200;
/** A line of a log goes to the main thread. */
const LINE = 20_000;
const MOST_LOGGED = 4096;
/** Shared memory is locked and searched. */
const SHARED = 2000;
/** A request to another service. */
const REQUEST = 40_000;
/** A field of a header map, looked at and written as text. */
const LOOK = 40;
const FIELD = 800;
/** A field of a map that is set whole. */
const SET = 3000;
/** A whole map, without its fields. */
const MAP = 10_000;
const PROPERTY = 1000;
const ROUTE = 5000;
/** One vector of fd_write. */
const VECTOR = 1200;

/** Units for a byte of what is copied, read as text, checked for the wire, or made at random. */
const COPY = 1;
const TEXT = 4;
const WRITTEN = 12;
const RANDOM = 8;

type Price = (
  vm: Guest,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
  g: number,
  h: number,
  i: number,
  j: number,
) => number;

const PRICES: Readonly<Record<string, Price>> = {
  proxy_log: (vm, level, _message, length) => (level < vm.host.logThreshold ? CALL : line(length)),
  proxy_get_buffer_bytes: (vm, type) => CALL + (bodyOf(vm, type)?.length ?? 0) / 16,
  proxy_set_buffer_bytes: (vm, type, _start, _remove, _data, length) =>
    CALL + bytes(vm, length) * COPY + (bodyOf(vm, type)?.length ?? 0) / 4,
  proxy_get_header_map_size: (vm, map) => MAP + FIELD * fields(vm, map),
  proxy_get_header_map_pairs: (vm, map) => MAP + FIELD * fields(vm, map),
  proxy_set_header_map_pairs: (vm, map, _pairs, length) =>
    MAP + FIELD * fields(vm, map) + Math.min(1024, bytes(vm, length) / 8) * SET + bytes(vm, length) * WRITTEN,
  proxy_get_header_map_value: (vm, map, _key, length) => CALL + LOOK * fields(vm, map) + bytes(vm, length) * TEXT,
  proxy_add_header_map_value: write,
  proxy_replace_header_map_value: write,
  proxy_remove_header_map_value: (vm, map, _key, length) => CALL + LOOK * fields(vm, map) + bytes(vm, length) * TEXT,
  proxy_clear_route_cache: () => ROUTE,
  proxy_send_local_response: (vm, _code, _details, details, _body, body, _headers, headers) =>
    CALL + bytes(vm, details) * TEXT + bytes(vm, body) * COPY + bytes(vm, headers) * TEXT,
  proxy_http_call: (vm, _upstream, upstream, _headers, headers, _body, body, _trailers) =>
    REQUEST + (bytes(vm, upstream) + bytes(vm, headers)) * TEXT + bytes(vm, body) * COPY,
  proxy_grpc_call: (
    vm,
    _upstream,
    upstream,
    _service,
    service,
    _method,
    method,
    _metadata,
    metadata,
    _message,
    message,
  ) =>
    REQUEST +
    (bytes(vm, upstream) + bytes(vm, service) + bytes(vm, method) + bytes(vm, metadata)) * TEXT +
    bytes(vm, message) * COPY,
  proxy_grpc_stream: (vm, _upstream, upstream, _service, service, _method, method, _metadata, metadata) =>
    REQUEST + (bytes(vm, upstream) + bytes(vm, service) + bytes(vm, method) + bytes(vm, metadata)) * TEXT,
  proxy_grpc_send: (vm, _id, _message, message) => SHARED + bytes(vm, message) * COPY,
  proxy_set_shared_data: (vm, _key, key, _value, value) => SHARED + bytes(vm, key) * TEXT + bytes(vm, value) * COPY,
  proxy_get_shared_data: (vm, _key, key) => SHARED + bytes(vm, key) * TEXT,
  proxy_register_shared_queue: (vm, _name, name) => SHARED + bytes(vm, name) * TEXT,
  proxy_resolve_shared_queue: (vm, _id, id, _name, name) => SHARED + (bytes(vm, id) + bytes(vm, name)) * TEXT,
  proxy_enqueue_shared_queue: (vm, _id, _value, value) => SHARED + bytes(vm, value) * COPY,
  proxy_dequeue_shared_queue: () => SHARED,
  proxy_define_metric: (vm, _type, _name, name) => SHARED + bytes(vm, name) * TEXT,
  proxy_get_property: (vm, _path, path) => PROPERTY + LOOK * fields(vm, 0) + bytes(vm, path) * TEXT,
  proxy_set_property: (vm, _path, path, _value, value) => CALL + bytes(vm, path) * TEXT + bytes(vm, value) * COPY,
  proxy_call_foreign_function: (vm, _name, name, _parameters, parameters) =>
    ROUTE + (bytes(vm, name) + bytes(vm, parameters)) * COPY,
  environ_get: environment,
  environ_sizes_get: environment,
  random_get: (vm, _at, length) => CALL + bytes(vm, length) * RANDOM,
  fd_write: (vm, _fd, _vectors, count) => LINE + bytes(vm, count) * VECTOR,
};

/** The functions of a guest that pays: each is paid for before it runs. */
export function pricedFunctions(
  vm: Guest,
  table: Record<string, Record<string, HostFunction>>,
): Record<string, Record<string, HostFunction>> {
  return Object.fromEntries(
    Object.entries(table).map(([module, functions]) => [
      module,
      Object.fromEntries(
        Object.entries(functions).map(([name, run]) => [name, priced(vm, PRICES[name] ?? plain, run)]),
      ),
    ]),
  );
}

/** No function has more parameters that it looks at. */
function priced(vm: Guest, price: Price, run: HostFunction): HostFunction {
  return (a, b, c, d, e, f, g, h, i, j, k, l) => {
    vm.pay(price(vm, a, b, c, d, e, f, g, h, i, j));
    return run(a, b, c, d, e, f, g, h, i, j, k, l);
  };
}

function plain(): number {
  return CALL;
}

/** Nothing for a length that no memory has: the call is refused for it. */
function bytes(vm: Guest, length: number): number {
  return length >>> 0 <= vm.memory.size ? length >>> 0 : 0;
}

function fields(vm: Guest, map: number): number {
  return headOf(vm, map)?.size ?? 0;
}

function write(vm: Guest, map: number, _key: number, key: number, _value: number, value: number): number {
  return CALL + LOOK * fields(vm, map) + (bytes(vm, key) + bytes(vm, value)) * WRITTEN;
}

function line(length: number): number {
  return LINE + Math.min(length >>> 0, MOST_LOGGED) * TEXT;
}

function environment(vm: Guest): number {
  let length = 0;
  for (const name in vm.env) length += name.length + vm.env[name].length;
  return CALL + length * TEXT;
}
