// Certificates for servers that also prove themselves to each other, below a root of their own, as an operator would bring them.
import { randomBytes, webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { ServerTls } from '../../../bus/server/cluster-conf.ts';

const HOUR = 3_600_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** For an address, in files of that folder; `ca` has the root's text, too. */
export async function nodeCertificates(dir: string, address: string): Promise<ServerTls & { readonly roots: string }> {
  const [root, node] = [await pair(), await pair()];
  const times = { notBefore: new Date(Date.now() - HOUR), notAfter: new Date(Date.now() + HOUR) };
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ ...times, name: 'CN=operator', keys: root, signingAlgorithm: ALGORITHM, serialNumber: serial() },
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ ...times, subject: 'CN=nats', issuer: authority.subject, serialNumber: serial() },
    ...{ publicKey: node.publicKey, signingKey: root.privateKey, signingAlgorithm: ALGORITHM },
    extensions: [
      new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: address }]),
    ],
  });
  const [cert, key, ca] = ['node.pem', 'node-key.pem', 'root.pem'].map((name) => join(dir, name));
  const roots = authority.toString('pem');
  const secret = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', node.privateKey)).toString('base64');
  await writeFile(cert, certificate.toString('pem'));
  await writeFile(key, `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`, { mode: 0o600 });
  await writeFile(ca, roots);
  return { cert, key, ca, roots };
}

function pair(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function serial(): string {
  return `40${randomBytes(8).toString('hex')}`;
}
