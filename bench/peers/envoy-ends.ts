// Envoy's configuration for the other end of a sidecar's mutual TLS: two listeners that call a sidecar, in HTTP/1.1 and in HTTP/2, and one that
// a sidecar calls, which lets in one caller by its certificate. ALPN is what Istio's proxies offer.

import type { CertificateFiles } from '../certificates.ts';
import { tlsSocket } from './envoy-tls.ts';

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

export interface Ends {
  readonly files: CertificateFiles;
  /** Which must prove to be this account. */
  readonly sidecar: { readonly host: string; readonly port: number; readonly account: string };
  /** Ports in plain text from which the sidecar is called. */
  readonly clients: { readonly h1: number; readonly h2: number };
  /** In mutual TLS, in front of a port in plain text. `allowed`: the URI of its one caller. */
  readonly server: { readonly port: number; readonly to: number; readonly allowed: string };
}

export function envoyEnds({ files, sidecar, clients, server }: Ends): object {
  const mutual = (alpn: readonly string[], account?: string): object => ({
    common_tls_context: {
      alpn_protocols: alpn,
      tls_certificates: [{ certificate_chain: { filename: files.chain }, private_key: { filename: files.key } }],
      validation_context: {
        trusted_ca: { filename: files.roots },
        ...(account !== undefined && {
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: account } }],
        }),
      },
    },
  });
  const calls = (alpn: readonly string[]): object => tlsSocket('UpstreamTlsContext', mutual(alpn, sidecar.account));
  const called = tlsSocket('DownstreamTlsContext', {
    ...mutual(['istio-http/1.1', 'istio', 'http/1.1']),
    require_client_certificate: true,
  });
  const at = { address: sidecar.host, port: sidecar.port };
  return {
    static_resources: {
      listeners: [
        listener('h1', clients.h1, []),
        listener('h2', clients.h2, []),
        listener('server', server.port, [allowOnly(server.allowed)], called),
      ],
      clusters: [
        cluster('h1', at, calls(['istio-http/1.1', 'istio', 'http/1.1'])),
        cluster('h2', at, calls(['istio-h2', 'istio', 'h2']), { http2_protocol_options: {} }),
        cluster('server', { address: '127.0.0.1', port: server.to }),
      ],
    },
  };
}

function listener(name: string, port: number, filters: readonly object[], socket?: object): object {
  const manager = {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    route_config: {
      virtual_hosts: [{ name, domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: name } }] }],
    },
    http_filters: [
      ...filters,
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` } },
    ],
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
        transport_socket: socket,
      },
    ],
  };
}

function allowOnly(uri: string): object {
  const principals = [{ authenticated: { principal_name: { exact: uri } } }];
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: {
      '@type': `${EXTENSIONS}.filters.http.rbac.v3.RBAC`,
      rules: { action: 'ALLOW', policies: { one: { permissions: [{ any: true }], principals } } },
    },
  };
}

function cluster(name: string, at: { address: string; port: number }, socket?: object, protocol?: object): object {
  const endpoint = { address: { socket_address: { address: at.address, port_value: at.port } } };
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    transport_socket: socket,
    ...(protocol && {
      typed_extension_protocol_options: {
        [type]: { '@type': `type.googleapis.com/${type}`, explicit_http_config: protocol },
      },
    }),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}
