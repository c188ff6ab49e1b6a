// What a module can do, in words: each host function that it imports is a door, and a door that is not there stays shut. Some
// functions open several doors, by what they are asked for (get_buffer_bytes reads configurations, too); those are told of by the
// callbacks, and watched where they are called (abi/doors.ts).

export interface Capability {
  /** As manifests and `--allow` name it: 'http_call'. */
  readonly name: string;
  /** 'call other services over HTTP' */
  readonly does: string;
}

interface Door extends Capability {
  readonly imports: RegExp;
  /** One of these exports makes use of it, or one of `anywhere` with a function that speaks for another context. */
  readonly exports?: RegExp;
  readonly anywhere?: RegExp;
}

/** Any of them is called about a request. */
const HTTP = /^proxy_on_((request|response)_(headers|body|trailers)|log|done)$/;
const BODIES = /^proxy_on_(request|response)_body$/;
const NETWORK = /^proxy_on_(new_connection|(down|up)stream_\w+)$/;
const DATA = /^proxy_on_(down|up)stream_data$/;
const OTHERS = 'proxy_set_effective_context';

const DOORS: readonly Door[] = [
  {
    name: 'read_headers',
    does: 'read the headers of requests and responses',
    imports: /^proxy_get_header_map/,
    exports: HTTP,
  },
  {
    name: 'change_headers',
    does: 'change the headers of requests and responses',
    imports: /^proxy_(add|replace|remove|set)_header_map/,
    exports: HTTP,
  },
  {
    name: 'read_bodies',
    does: 'read bodies',
    imports: /^proxy_get_buffer_bytes$/,
    exports: BODIES,
    anywhere: /^proxy_on_(request|response)_(headers|trailers)$/,
  },
  {
    name: 'change_bodies',
    does: 'change bodies',
    imports: /^proxy_set_buffer_bytes$/,
    exports: BODIES,
    anywhere: /^proxy_on_(request|response)_(headers|trailers)$/,
  },
  {
    name: 'read_data',
    does: 'read the bytes of connections',
    imports: /^proxy_get_buffer_bytes$/,
    exports: DATA,
    anywhere: NETWORK,
  },
  {
    name: 'change_data',
    does: 'change the bytes of connections',
    imports: /^proxy_set_buffer_bytes$/,
    exports: DATA,
    anywhere: NETWORK,
  },
  {
    name: 'local_response',
    does: 'answer requests itself, so that they never reach the service',
    imports: /^proxy_send_local_response$/,
  },
  { name: 'close_stream', does: 'cut connections off', imports: /^proxy_close_stream$/ },
  {
    name: 'http_call',
    does: 'call other services over HTTP, the declared ones only',
    imports: /^proxy_http_call$/,
  },
  {
    name: 'grpc_call',
    does: 'call other services over gRPC, the declared ones only',
    imports: /^proxy_grpc_(call|stream)$/,
  },
  {
    name: 'read_properties',
    does: 'read facts about the request, the connection and this workload, such as headers, addresses and identities',
    imports: /^proxy_get_property$/,
  },
  {
    name: 'change_properties',
    does: 'leave notes with a request that later filters read',
    imports: /^proxy_set_property$/,
  },
  {
    name: 'shared_data',
    does: 'keep data that all threads of a proxy share',
    imports: /^proxy_[gs]et_shared_data$/,
  },
  { name: 'shared_queue', does: 'pass messages through queues to other filters', imports: /_shared_queue$/ },
  { name: 'metrics', does: 'publish metrics', imports: /^proxy_(define|increment|record)_metric$/ },
  {
    name: 'timer',
    does: 'run by itself at intervals',
    imports: /^proxy_set_tick_period_milliseconds$/,
    exports: /^proxy_on_tick$/,
  },
  {
    name: 'foreign_functions',
    does: 'call named functions of the proxy, such as compress',
    imports: /^proxy_call_foreign_function$/,
  },
  {
    name: 'environment',
    does: 'read the environment variables that its configuration gives to it',
    imports: /^environ_get$/,
  },
  { name: 'random', does: 'draw random numbers', imports: /^random_get$/ },
  { name: 'log', does: 'write to the log of the proxy', imports: /^(proxy_log|fd_write)$/ },
];

/** `imports` and `exports`: names of functions. */
export function capabilitiesOf(imports: readonly string[], exports: readonly string[]): Capability[] {
  const speaksForOthers = imports.includes(OTHERS);
  const uses = ({ exports: own, anywhere }: Door): boolean =>
    own === undefined || exports.some((name) => own.test(name) || (speaksForOthers && anywhere?.test(name) === true));
  return DOORS.filter((door) => imports.some((name) => door.imports.test(name)) && uses(door)).map(
    ({ name, does }) => ({
      name,
      does,
    }),
  );
}

/** All there are. */
export function capabilityNames(): string[] {
  return DOORS.map(({ name }) => name);
}
