// Which versions, cipher suites and groups of TLS are spoken, where somebody says less than all.

import type { SecureContextOptions } from 'node:tls';

export interface TlsLimits {
  /** The oldest. */
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Of TLS 1.2, by OpenSSL's names; none: the usual ones. */
  readonly ciphers: readonly string[];
  /** None: the usual ones. */
  readonly curves: readonly string[];
}

/** The hybrid first: what is recorded today is not to be read by who can break X25519 one day. */
const GROUPS = 'X25519MLKEM768:X25519:P-256';
/** TLS 1.3 has these, whatever a configuration says of older ones. */
const NEWEST_CIPHERS = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];

export function limited({ minVersion, ciphers, curves }: TlsLimits): SecureContextOptions {
  return {
    minVersion,
    ecdhCurve: curves.length > 0 ? curves.join(':') : GROUPS,
    ...(ciphers.length > 0 && { ciphers: [...NEWEST_CIPHERS, ...ciphers].join(':') }),
  };
}
