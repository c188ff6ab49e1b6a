// What MeshConfig says of TLS (meshMTLS, tlsDefaults): Istio's TLSConfig. What it names is narrowed down to, so that whatever cannot be had is
// refused.

import { array, object, oneOf, optional } from '../schema.ts';

export const TLSConfig = object({
  /** Left out, and TLS_AUTO: TLS 1.2. */
  minProtocolVersion: optional(oneOf('TLS_AUTO', 'TLSV1_2', 'TLSV1_3')),
  /** Of TLS 1.2. */
  cipherSuites: optional(
    array(
      oneOf(
        'ECDHE-ECDSA-AES128-GCM-SHA256',
        'ECDHE-RSA-AES128-GCM-SHA256',
        'ECDHE-ECDSA-AES256-GCM-SHA384',
        'ECDHE-RSA-AES256-GCM-SHA384',
        'ECDHE-ECDSA-CHACHA20-POLY1305',
        'ECDHE-RSA-CHACHA20-POLY1305',
        'ECDHE-ECDSA-AES128-SHA',
        'ECDHE-RSA-AES128-SHA',
        'ECDHE-ECDSA-AES256-SHA',
        'ECDHE-RSA-AES256-SHA',
        'AES128-GCM-SHA256',
        'AES256-GCM-SHA384',
        'AES128-SHA',
        'AES256-SHA',
      ),
    ),
  ),
  ecdhCurves: optional(array(oneOf('X25519MLKEM768', 'X25519', 'P-256', 'P-384', 'P-521'))),
});
