// How Envoy's connections are secured.

import type { CertificateFiles } from '../certificates.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

/** TLS 1.3 with these files. */
export function tlsContext({ key, chain, roots }: CertificateFiles): object {
  return {
    common_tls_context: {
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
      tls_certificates: [{ certificate_chain: { filename: chain }, private_key: { filename: key } }],
      validation_context: { trusted_ca: { filename: roots } },
    },
  };
}

export function tlsSocket(type: string, context: object): object {
  return { name: 'envoy.transport_sockets.tls', typed_config: { '@type': `${TLS}.${type}`, ...context } };
}
