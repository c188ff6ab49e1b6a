// What a proxy-wasm host provides, as it is: pointers and lengths. Authors use the classes beside this file.

// @ts-ignore: decorator
@external('env', 'proxy_log')
export declare function proxy_log(level: u32, message: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_log_level')
export declare function proxy_get_log_level(level: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_current_time_nanoseconds')
export declare function proxy_get_current_time_nanoseconds(out: usize): u32;
// @ts-ignore: decorator
@external('wasi_snapshot_preview1', 'clock_time_get')
export declare function clock_time_get(clock: u32, precision: u64, out: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_set_tick_period_milliseconds')
export declare function proxy_set_tick_period_milliseconds(period: u32): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_header_map_value')
export declare function proxy_get_header_map_value(map: u32, key: usize, keyLength: usize, pointer: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_add_header_map_value')
export declare function proxy_add_header_map_value(map: u32, key: usize, keyLength: usize, value: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_replace_header_map_value')
export declare function proxy_replace_header_map_value(map: u32, key: usize, keyLength: usize, value: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_remove_header_map_value')
export declare function proxy_remove_header_map_value(map: u32, key: usize, keyLength: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_header_map_pairs')
export declare function proxy_get_header_map_pairs(map: u32, pointer: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_buffer_bytes')
export declare function proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, pointer: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_set_buffer_bytes')
export declare function proxy_set_buffer_bytes(buffer: u32, start: usize, remove: usize, data: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_continue_stream')
export declare function proxy_continue_stream(stream: u32): u32;
// @ts-ignore: decorator
@external('env', 'proxy_send_local_response')
export declare function proxy_send_local_response(
  status: u32, details: usize, detailsLength: usize, body: usize, bodyLength: usize,
  headers: usize, headersLength: usize, grpcStatus: i32,
): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_property')
export declare function proxy_get_property(path: usize, pathLength: usize, pointer: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_set_property')
export declare function proxy_set_property(path: usize, pathLength: usize, value: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_shared_data')
export declare function proxy_get_shared_data(key: usize, keyLength: usize, pointer: usize, length: usize, cas: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_set_shared_data')
export declare function proxy_set_shared_data(key: usize, keyLength: usize, value: usize, length: usize, cas: u32): u32;
// @ts-ignore: decorator
@external('env', 'proxy_call_foreign_function')
export declare function proxy_call_foreign_function(
  name: usize, nameLength: usize, parameters: usize, length: usize, pointer: usize, resultLength: usize,
): u32;
// @ts-ignore: decorator
@external('env', 'proxy_set_effective_context')
export declare function proxy_set_effective_context(context: u32): u32;
// @ts-ignore: decorator
@external('env', 'proxy_close_stream')
export declare function proxy_close_stream(stream: u32): u32;
// @ts-ignore: decorator
@external('env', 'proxy_define_metric')
export declare function proxy_define_metric(kind: u32, name: usize, nameLength: usize, id: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_increment_metric')
export declare function proxy_increment_metric(id: u32, delta: i64): u32;
// @ts-ignore: decorator
@external('env', 'proxy_record_metric')
export declare function proxy_record_metric(id: u32, value: u64): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_metric')
export declare function proxy_get_metric(id: u32, value: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_register_shared_queue')
export declare function proxy_register_shared_queue(name: usize, nameLength: usize, id: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_resolve_shared_queue')
export declare function proxy_resolve_shared_queue(vm: usize, vmLength: usize, name: usize, nameLength: usize, id: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_enqueue_shared_queue')
export declare function proxy_enqueue_shared_queue(id: u32, value: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_dequeue_shared_queue')
export declare function proxy_dequeue_shared_queue(id: u32, pointer: usize, length: usize): u32;
// @ts-ignore: decorator
@external('env', 'proxy_http_call')
export declare function proxy_http_call(
  upstream: usize, upstreamLength: usize, headers: usize, headersLength: usize, body: usize, bodyLength: usize,
  trailers: usize, trailersLength: usize, timeout: u32, id: usize,
): u32;
// @ts-ignore: decorator
@external('env', 'proxy_grpc_call')
export declare function proxy_grpc_call(
  upstream: usize, upstreamLength: usize, service: usize, serviceLength: usize, method: usize, methodLength: usize,
  metadata: usize, metadataLength: usize, message: usize, messageLength: usize, timeout: u32, id: usize,
): u32;
// @ts-ignore: decorator
@external('env', 'proxy_grpc_stream')
export declare function proxy_grpc_stream(
  upstream: usize, upstreamLength: usize, service: usize, serviceLength: usize, method: usize, methodLength: usize,
  metadata: usize, metadataLength: usize, id: usize,
): u32;
// @ts-ignore: decorator
@external('env', 'proxy_grpc_send')
export declare function proxy_grpc_send(id: u32, message: usize, length: usize, end: u32): u32;
// @ts-ignore: decorator
@external('env', 'proxy_grpc_close')
export declare function proxy_grpc_close(id: u32): u32;
// @ts-ignore: decorator
@external('env', 'proxy_grpc_cancel')
export declare function proxy_grpc_cancel(id: u32): u32;
// @ts-ignore: decorator
@external('env', 'proxy_get_status')
export declare function proxy_get_status(code: usize, pointer: usize, length: usize): u32;
// @ts-ignore: decorator
@external('wasi_snapshot_preview1', 'random_get')
export declare function random_get(at: usize, length: usize): u32;

export const OK: u32 = 0;
export const NOT_FOUND: u32 = 1;
export const CAS_MISMATCH: u32 = 8;
