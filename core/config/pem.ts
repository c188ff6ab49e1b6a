// Keys and certificates in PEM, as people hand them over: what is wrong with them, in one clause.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** '' = it has none. */
export type Pem = Readonly<Record<'cert' | 'key' | 'ca' | 'crl', string>>;

/** Throws an Error that says what is wrong with it. */
export function checkCredential({ cert, key, ca, crl }: Pem): void {
  if (key !== '' || cert !== '') {
    const [leaf] = certificatesIn(cert).map((pem) => parsed(pem, 'the certificate'));
    if (leaf === undefined) throw new Error('there is no certificate (PEM) in it');
    if (!leaf.checkPrivateKey(privateKeyIn(key))) throw new Error('its key is not that of the certificate');
  }
  if (ca !== '') {
    const roots = certificatesIn(ca);
    if (roots.length === 0) throw new Error('whom it believes holds no certificate (PEM)');
    for (const pem of roots) parsed(pem, 'whom it believes');
  }
  if (crl !== '') checkRevocationList(crl);
}

function checkRevocationList(crl: string): void {
  if (!crl.includes('-----BEGIN X509 CRL-----')) {
    throw new Error('there is no list of revoked certificates (PEM) in its revocation list');
  }
  try {
    createSecureContext({ crl });
  } catch (error) {
    throw new Error(`its revocation list cannot be read: ${(error as Error).message}`);
  }
}

/** Each of a bundle, in its order. */
export function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** By which people know one: SHA-256 of all of it, in hex. */
export function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
}

/** Whether `fingerprintOf` could say it. */
export function isFingerprint(given: string): boolean {
  return /^[0-9a-f]{64}$/.test(given);
}

function privateKeyIn(key: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch {
    throw new Error('its private key is none (PEM, without a passphrase)');
  }
}

function parsed(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new Error(`${what} cannot be read: ${(error as Error).message}`);
  }
}
