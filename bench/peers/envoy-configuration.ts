// Envoy's configuration for a setup: one listener, one cluster, and the native filters that do what weft's chain does.

import { writeCertificate } from '../certificates.ts';
import { MOST_REQUESTS, routePrefixes, type Setup, serviceHosts, wasmFilterOf } from '../setups.ts';
import { tlsContext, tlsSocket } from './envoy-tls.ts';
import type { PeerSetting } from './peer.ts';

const H2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};
const NO_LIMIT = 1_000_000;
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

export async function envoyConfiguration(setting: PeerSetting, port: number): Promise<object> {
  const { setup, upstreamPort, folder } = setting;
  const services = serviceHosts(setup);
  const { speaks } = setup;
  const tls = speaks === 'tls' ? tlsContext(await writeCertificate(folder)) : null;
  const socket = tls === null ? undefined : tlsSocket('DownstreamTlsContext', tls);
  const filter = speaks === 'bytes' ? tcpProxy() : connectionManager(virtualHosts(setup), await filters(setting));
  return {
    static_resources: {
      listeners: [listener('in', port, filter, socket)],
      clusters: ['application', ...services].map((name) => cluster(name, upstreamPort, undefined, speaks === 'h2')),
    },
  };
}

/** From a port of its own to another port of this machine. */
export interface Way {
  readonly name: string;
  readonly port: number;
  readonly to: number;
  /** How its connections are secured, each way; left out: not. */
  readonly downstream?: object;
  readonly upstream?: object;
}

/** One that passes on, by as many ways as you like. */
export function waysConfiguration(ways: readonly Way[]): object {
  return {
    static_resources: {
      listeners: ways.map(({ name, port, downstream }) =>
        listener(name, port, connectionManager([virtualHost('any', ['*'], [to('/', name)])], []), downstream),
      ),
      clusters: ways.map((way) => cluster(way.name, way.to, way.upstream)),
    },
  };
}

function listener(name: string, port: number, filter: object, socket?: object): object {
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    tcp_backlog_size: 4096,
    filter_chains: [{ filters: [filter], transport_socket: socket }],
  };
}

function tcpProxy(): object {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: 'in',
      cluster: 'application',
    },
  };
}

function connectionManager(hosts: readonly object[], httpFilters: readonly object[]): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'in',
      use_remote_address: true,
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      stream_idle_timeout: '0s',
      route_config: { virtual_hosts: hosts },
      http_filters: [
        ...httpFilters,
        { name: 'envoy.filters.http.router', typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` } },
      ],
    },
  };
}

function virtualHosts(setup: Setup): object[] {
  const routes = routePrefixes(setup).map((prefix) => to(prefix, 'application'));
  return [
    virtualHost('any', ['*'], routes),
    ...serviceHosts(setup).map((name) => virtualHost(name, [name], [to('/', name)])),
  ];
}

function virtualHost(name: string, domains: readonly string[], routes: readonly object[]): object {
  return { name, domains, routes };
}

function to(prefix: string, name: string): object {
  return { match: { prefix }, route: { cluster: name, timeout: '0s' } };
}

function cluster(name: string, port: number, socket?: object, h2 = false): object {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  const limits = {
    max_connections: NO_LIMIT,
    max_pending_requests: NO_LIMIT,
    max_requests: NO_LIMIT,
    max_retries: NO_LIMIT,
  };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: { thresholds: [limits] },
    transport_socket: socket,
    typed_extension_protocol_options: h2 ? H2 : undefined,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

async function filters(setting: PeerSetting): Promise<object[]> {
  if (setting.setup.filters === 'chain') return chain(setting);
  const filter = wasmFilterOf(setting.setup);
  return filter === null ? [] : [wasm(await setting.filterFile(filter))];
}

/** The filters that Istio configures for RequestAuthentication, AuthorizationPolicy, a local rate limit and an HTTPFaultInjection. */
function chain({ credentials: { issuer, subject, jwks } }: PeerSetting): object[] {
  const claim = (name: string, exact: string): object => ({
    metadata: {
      filter: 'envoy.filters.http.jwt_authn',
      path: [{ key: 'payload' }, { key: name }],
      value: { string_match: { exact } },
    },
  });
  const always = { numerator: 100, denominator: 'HUNDRED' };
  const million = { numerator: 1, denominator: 'MILLION' };
  const provider = {
    issuer,
    local_jwks: { inline_string: jwks },
    forward: true,
    payload_in_metadata: 'payload',
    // As weft does: a token whose signature was right is not verified again.
    jwt_cache_config: { jwt_cache_size: 100 },
  };
  return [
    {
      name: 'envoy.filters.http.jwt_authn',
      typed_config: {
        '@type': `${EXTENSIONS}.filters.http.jwt_authn.v3.JwtAuthentication`,
        providers: { bench: provider },
        rules: [{ match: { prefix: '/' }, requires: { provider_name: 'bench' } }],
      },
    },
    {
      name: 'envoy.filters.http.rbac',
      typed_config: {
        '@type': `${EXTENSIONS}.filters.http.rbac.v3.RBAC`,
        rules: {
          action: 'ALLOW',
          policies: {
            bench: {
              permissions: [
                {
                  and_rules: {
                    rules: [
                      { header: { name: ':method', string_match: { exact: 'GET' } } },
                      { url_path: { path: { prefix: '/' } } },
                    ],
                  },
                },
              ],
              principals: [{ and_ids: { ids: [claim('iss', issuer), claim('sub', subject)] } }],
            },
          },
        },
      },
    },
    {
      name: 'envoy.filters.http.local_ratelimit',
      typed_config: {
        '@type': `${EXTENSIONS}.filters.http.local_ratelimit.v3.LocalRateLimit`,
        stat_prefix: 'bench',
        token_bucket: { max_tokens: MOST_REQUESTS, tokens_per_fill: MOST_REQUESTS, fill_interval: '1s' },
        filter_enabled: { default_value: always },
        filter_enforced: { default_value: always },
      },
    },
    {
      name: 'envoy.filters.http.fault',
      typed_config: {
        '@type': `${EXTENSIONS}.filters.http.fault.v3.HTTPFault`,
        abort: { http_status: 500, percentage: million },
      },
    },
  ];
}

function wasm(filename: string): object {
  return {
    name: 'envoy.filters.http.wasm',
    typed_config: {
      '@type': `${EXTENSIONS}.filters.http.wasm.v3.Wasm`,
      config: {
        name: 'bench',
        vm_config: { vm_id: 'bench', runtime: 'envoy.wasm.runtime.v8', code: { local: { filename } } },
      },
    },
  };
}
