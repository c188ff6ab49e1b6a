// Where the system keeps the authorities that it trusts. Node's own way to them (tls.getCACertificates('system')) holds a shard for
// 180 ms on Debian (24.21, tried): it reads each of them twice.

import { existsSync } from 'node:fs';

const PLACES = [
  // Debian, Ubuntu; Fedora, RHEL; SUSE; Alpine, macOS, FreeBSD.
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** The file that holds them; '' where there is none: then those count that Node brings. */
export function systemRootsFile(): string {
  const named = process.env.SSL_CERT_FILE ?? '';
  return named !== '' ? named : (PLACES.find((place) => existsSync(place)) ?? '');
}
