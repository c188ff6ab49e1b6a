// The numbers and signatures of proxy-wasm 0.1.0, 0.2.0 and 0.2.1 as a host sees them. Values only: nothing here runs.

export const Status = {
  Ok: 0,
  NotFound: 1,
  BadArgument: 2,
  SerializationFailure: 3,
  ParseFailure: 4,
  InvalidMemoryAccess: 6,
  Empty: 7,
  CasMismatch: 8,
  InternalFailure: 10,
  BrokenConnection: 11,
  Unimplemented: 12,
} as const;

export const GuestLog = { Trace: 0, Debug: 1, Info: 2, Warn: 3, Error: 4, Critical: 5 } as const;

export const MapType = {
  RequestHeaders: 0,
  RequestTrailers: 1,
  ResponseHeaders: 2,
  ResponseTrailers: 3,
  GrpcInitialMetadata: 4,
  GrpcTrailingMetadata: 5,
  HttpCallHeaders: 6,
  HttpCallTrailers: 7,
} as const;

export const BufferType = {
  RequestBody: 0,
  ResponseBody: 1,
  DownstreamData: 2,
  UpstreamData: 3,
  HttpCallBody: 4,
  GrpcMessage: 5,
  VmConfiguration: 6,
  PluginConfiguration: 7,
  ForeignArguments: 8,
} as const;

export const StreamType = { Request: 0, Response: 1, Downstream: 2, Upstream: 3 } as const;

export const MetricType = { Counter: 0, Gauge: 1, Histogram: 2 } as const;

export type AbiVersion = '0.1.0' | '0.2.0' | '0.2.1';

export const ABI_MARKERS: Readonly<Record<string, AbiVersion>> = {
  proxy_abi_version_0_1_0: '0.1.0',
  proxy_abi_version_0_2_0: '0.2.0',
  proxy_abi_version_0_2_1: '0.2.1',
};

/** Parameters of every callback that we may call; two numbers where the ABI versions differ. All i32. */
export const CALLBACKS: Readonly<Record<string, { readonly params: readonly number[]; readonly result: boolean }>> = {
  _initialize: { params: [0], result: false },
  _start: { params: [0], result: false },
  malloc: { params: [1], result: true },
  proxy_on_memory_allocate: { params: [1], result: true },
  proxy_on_context_create: { params: [2], result: false },
  proxy_on_vm_start: { params: [2], result: true },
  proxy_on_configure: { params: [2], result: true },
  proxy_on_tick: { params: [1], result: false },
  proxy_on_new_connection: { params: [1], result: true },
  proxy_on_downstream_data: { params: [3], result: true },
  proxy_on_upstream_data: { params: [3], result: true },
  proxy_on_downstream_connection_close: { params: [2], result: false },
  proxy_on_upstream_connection_close: { params: [2], result: false },
  proxy_on_request_headers: { params: [2, 3], result: true },
  proxy_on_request_body: { params: [3], result: true },
  proxy_on_request_trailers: { params: [2], result: true },
  proxy_on_response_headers: { params: [2, 3], result: true },
  proxy_on_response_body: { params: [3], result: true },
  proxy_on_response_trailers: { params: [2], result: true },
  proxy_on_http_call_response: { params: [5], result: false },
  proxy_on_grpc_receive_initial_metadata: { params: [3], result: false },
  proxy_on_grpc_receive: { params: [3], result: false },
  proxy_on_grpc_receive_trailing_metadata: { params: [3], result: false },
  proxy_on_grpc_close: { params: [3], result: false },
  proxy_on_queue_ready: { params: [2], result: false },
  proxy_on_foreign_function: { params: [3], result: false },
  proxy_on_done: { params: [1], result: true },
  proxy_on_log: { params: [1], result: false },
  proxy_on_delete: { params: [1], result: false },
};

/** All parameters are i32 (a number, signed) or i64 (a bigint); the result is an i32, or nothing. */
export type HostFunction = (...parameters: never[]) => number | undefined;

/** Parameters of every host function of module `env`; 'I' marks an i64, all others are i32, all return i32. */
export const HOST_FUNCTIONS: Readonly<Record<string, string>> = {
  proxy_log: 'iii',
  proxy_get_log_level: 'i',
  proxy_get_current_time_nanoseconds: 'i',
  proxy_set_tick_period_milliseconds: 'i',
  proxy_get_configuration: 'ii',
  proxy_get_buffer_bytes: 'iiiii',
  proxy_get_buffer_status: 'iii',
  proxy_set_buffer_bytes: 'iiiii',
  proxy_get_header_map_size: 'ii',
  proxy_get_header_map_pairs: 'iii',
  proxy_set_header_map_pairs: 'iii',
  proxy_get_header_map_value: 'iiiii',
  proxy_add_header_map_value: 'iiiii',
  proxy_replace_header_map_value: 'iiiii',
  proxy_remove_header_map_value: 'iii',
  proxy_continue_stream: 'i',
  proxy_close_stream: 'i',
  proxy_continue_request: '',
  proxy_continue_response: '',
  proxy_clear_route_cache: '',
  proxy_send_local_response: 'iiiiiiii',
  proxy_http_call: 'iiiiiiiiii',
  proxy_grpc_call: 'iiiiiiiiiiii',
  proxy_grpc_stream: 'iiiiiiiii',
  proxy_grpc_send: 'iiii',
  proxy_grpc_cancel: 'i',
  proxy_grpc_close: 'i',
  proxy_get_status: 'iii',
  proxy_set_shared_data: 'iiiii',
  proxy_get_shared_data: 'iiiii',
  proxy_register_shared_queue: 'iii',
  proxy_resolve_shared_queue: 'iiiii',
  proxy_enqueue_shared_queue: 'iii',
  proxy_dequeue_shared_queue: 'iii',
  proxy_define_metric: 'iiii',
  proxy_increment_metric: 'iI',
  proxy_record_metric: 'iI',
  proxy_get_metric: 'ii',
  proxy_get_property: 'iiii',
  proxy_set_property: 'iiii',
  proxy_call_foreign_function: 'iiiiii',
  proxy_set_effective_context: 'i',
  proxy_done: '',
};

export const WASI_MODULES: readonly string[] = ['wasi_snapshot_preview1', 'wasi_unstable'];
