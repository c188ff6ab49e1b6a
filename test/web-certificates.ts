// Certificates as the owner of a host or of a client buys them, of authorities that are made for a test.

import { generateKeyPairSync, type KeyObject, type webcrypto } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const HOUR_MS = 3_600_000;

export interface Pair {
  /** Both in PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface Asked {
  readonly uris?: readonly string[];
  readonly ips?: readonly string[];
  /** Ms from now. */
  readonly from?: number;
  readonly to?: number;
  readonly rsa?: boolean;
  /** Default: the first host. */
  readonly subject?: string;
}

export interface WebAuthority {
  /** In PEM. */
  readonly ca: string;
  issue(hosts: readonly string[], asked?: Asked): Promise<Pair>;
  /** A list of those that are revoked, in PEM. */
  revoked(certificates: readonly string[]): Promise<string>;
}

let serial = 0x1000;

export async function webAuthority(name = 'Example'): Promise<WebAuthority> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const signingKey = await toCrypto(privateKey, 'pkcs8', ECDSA, ['sign']);
  const subject = `O=${name}, CN=${name} root`;
  const root = await x509.X509CertificateGenerator.create({
    ...{ subject, issuer: subject, signingKey, signingAlgorithm: ECDSA },
    serialNumber: (++serial).toString(16),
    notBefore: new Date(Date.now() - HOUR_MS),
    notAfter: new Date(Date.now() + 24 * HOUR_MS),
    publicKey: await toCrypto(publicKey, 'spki', ECDSA, ['verify']),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    ca: root.toString('pem'),
    async issue(hosts, { uris = [], ips = [], from = -HOUR_MS, to = HOUR_MS, rsa = false, subject: who } = {}) {
      const own = rsa
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const names: x509.JsonGeneralNames = [
        ...hosts.map((value) => ({ type: 'dns' as const, value })),
        ...uris.map((value) => ({ type: 'url' as const, value })),
        ...ips.map((value) => ({ type: 'ip' as const, value })),
      ];
      const certificate = await x509.X509CertificateGenerator.create({
        ...{ subject: who ?? `CN=${hosts[0] ?? 'client'}`, issuer: subject, signingKey, signingAlgorithm: ECDSA },
        serialNumber: (++serial).toString(16),
        notBefore: new Date(Date.now() + from),
        notAfter: new Date(Date.now() + to),
        publicKey: await toCrypto(own.publicKey, 'spki', rsa ? RSA : ECDSA, ['verify']),
        extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
      });
      const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
      return { cert: certificate.toString('pem'), key };
    },
    async revoked(certificates) {
      const crl = await x509.X509CrlGenerator.create({
        ...{ issuer: subject, signingKey, signingAlgorithm: ECDSA },
        thisUpdate: new Date(Date.now() - HOUR_MS),
        nextUpdate: new Date(Date.now() + HOUR_MS),
        entries: certificates.map((pem) => ({
          serialNumber: new x509.X509Certificate(pem).serialNumber,
          revocationDate: new Date(Date.now() - HOUR_MS / 2),
        })),
      });
      return crl.toString('pem').replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL');
    },
  };
}

/** What the owner of a root gives to a mesh: an intermediate with its key, all of it with RSA, and the root without. In PEM. */
export async function pluggedAuthority(): Promise<{ root: string; intermediate: string; key: string }> {
  const above = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const below = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signingKey = await toCrypto(above.privateKey, 'pkcs8', RSA, ['sign']);
  const sign = async (subject: string, key: KeyObject): Promise<string> => {
    const certificate = await x509.X509CertificateGenerator.create({
      ...{ subject, issuer: 'O=Example, CN=Root CA', signingKey, signingAlgorithm: RSA },
      serialNumber: (++serial).toString(16),
      notBefore: new Date(Date.now() - HOUR_MS),
      notAfter: new Date(Date.now() + 730 * 24 * HOUR_MS),
      publicKey: await toCrypto(key, 'spki', RSA, ['verify']),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return `${certificate.toString('pem')}\n`;
  };
  return {
    root: await sign('O=Example, CN=Root CA', above.publicKey),
    intermediate: await sign('O=Example, CN=Intermediate CA, L=cluster1', below.publicKey),
    key: below.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

function toCrypto(
  key: KeyObject,
  format: 'spki' | 'pkcs8',
  algorithm: { readonly name: string },
  usages: webcrypto.KeyUsage[],
): Promise<webcrypto.CryptoKey> {
  const der = key.export({ type: format as 'spki', format: 'der' });
  return globalThis.crypto.subtle.importKey(format, der, algorithm, true, usages) as Promise<webcrypto.CryptoKey>;
}
