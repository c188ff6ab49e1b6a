// An authority as there are many outside of the mesh, made for a test, and the certificates that it gives to servers and clients.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonGeneralName } from '@peculiar/x509';
import { makeRoot } from '../../../control/authority/issuing.ts';

export interface PublicAuthority {
  readonly root: string;
  /** Signed certificate and its key, both in PEM. `from`, `to`: of its life, in ms as of now. */
  issue(names: readonly JsonGeneralName[], life?: { from: number; to: number }): Promise<{ cert: string; key: string }>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR_MS = 3_600_000;

export async function publicAuthority(): Promise<PublicAuthority> {
  const now = Date.now();
  const root = await makeRoot(now);
  const x509 = await import('@peculiar/x509');
  const cryptoKey = (key: KeyObject, use: 'sign' | 'verify') => key.toCryptoKey(ALGORITHM, true, [use]);
  return {
    root: root.certificate,
    async issue(names, { from, to } = { from: -HOUR_MS, to: HOUR_MS }) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const signer = new x509.X509Certificate(root.certificate);
      const certificate = await x509.X509CertificateGenerator.create({
        // A name in the subject alone is none.
        subject: 'O=Example, CN=subject.example',
        issuer: signer.subject,
        notBefore: new Date(now + from),
        notAfter: new Date(now + to),
        publicKey: await cryptoKey(publicKey, 'verify'),
        signingKey: await cryptoKey(root.key, 'sign'),
        signingAlgorithm: ALGORITHM,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
          ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])]),
          await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey),
        ],
      });
      const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      return { cert: certificate.toString('pem'), key };
    },
  };
}

/** A folder for a test's files. */
export async function pemFolder(): Promise<{ write(name: string, text: string): Promise<string>; gone(): unknown }> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-pem-'));
  return {
    async write(name, text) {
      await writeFile(join(dir, name), text);
      return join(dir, name);
    },
    gone: () => rm(dir, { recursive: true, force: true }),
  };
}
