import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject, type webcrypto, X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { type Issuer, issueWorkload } from '../../../control/authority/issuing.ts';
import { keyAsked } from '../../../control/authority/request.ts';
import { serialOf } from '../../../core/config/serial.ts';
import { certificateRequest, newKey } from '../../../core/main/certificate-request.ts';

const DAY = 86_400_000;
const SPIFFE = 'spiffe://cluster.local/ns/shop/sa/api';
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const P384 = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };

let x509: typeof import('@peculiar/x509');
before(async () => {
  await import('reflect-metadata');
  x509 = await import('@peculiar/x509');
});

interface Made {
  readonly algorithm?: object;
  readonly keyId?: string;
  readonly until?: number;
}

/** A root of somebody's own, as other tools make them. */
async function issuerOf(key: KeyObject, publicKey: KeyObject, { algorithm = P256, keyId, until }: Made = {}) {
  const [own, seen] = [key, publicKey].map((each) =>
    (each as unknown as { toCryptoKey(...of: unknown[]): webcrypto.CryptoKey }).toCryptoKey(algorithm, true, [
      each.type === 'private' ? 'sign' : 'verify',
    ]),
  );
  const name = 'C=DE, O="Example, Inc.", OU=Übung, CN=Own CA';
  const root = await x509.X509CertificateGenerator.create({
    subject: name,
    issuer: name,
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(until ?? Date.now() + 10 * DAY),
    publicKey: seen,
    signingKey: own,
    signingAlgorithm: algorithm as never,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      ...(keyId === undefined ? [] : [new x509.SubjectKeyIdentifierExtension(keyId)]),
    ],
  });
  const issuer: Issuer = { key, chain: [], root: root.toString('pem'), where: 'own.pem' };
  return { issuer, certificate: new X509Certificate(issuer.root) };
}

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });

describe("a workload's certificate", () => {
  const wanted = (issuer: Issuer, csr: string, more = {}) =>
    issueWorkload({ issuer, csr, spiffe: SPIFFE, serial: serialOf('node', 0), lifeMs: DAY, now: Date.now(), ...more });

  it('is signed by issuers of every kind of key, for the name and the key and no authority', async () => {
    const kinds = [
      [ec('prime256v1'), P256],
      [ec('secp384r1'), P384],
      [generateKeyPairSync('rsa', { modulusLength: 2048 }), RSA],
    ] as const;
    for (const [{ privateKey, publicKey }, algorithm] of kinds) {
      const { issuer, certificate } = await issuerOf(privateKey, publicKey, { algorithm });
      const key = newKey();
      const leaf = new X509Certificate(await wanted(issuer, certificateRequest(key)));
      assert.ok(leaf.verify(publicKey) && leaf.checkIssued(certificate) && !leaf.ca);
      assert.equal(leaf.issuer, certificate.subject);
      assert.ok(!leaf.subject, 'the name is in the alternative name alone');
      assert.equal(leaf.subjectAltName, `URI:${SPIFFE}`);
      assert.ok(leaf.checkPrivateKey(createPrivateKey(key)));
      assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
      assert.match(leaf.serialNumber, /^[4-7][0-9A-F]{31}$/);
      const read = new x509.X509Certificate(leaf.raw);
      const names = read.getExtension('2.5.29.17');
      assert.equal(names?.critical, true);
    }
  });

  it('names the key of its issuer as the issuer does, which need not be by a hash', async () => {
    const { privateKey, publicKey } = ec('prime256v1');
    const { issuer, certificate } = await issuerOf(privateKey, publicKey, { keyId: '0badcafe' });
    const leaf = new X509Certificate(await wanted(issuer, certificateRequest(newKey())));
    assert.ok(leaf.checkIssued(certificate));
    const { keyId } = new x509.X509Certificate(leaf.raw).getExtension(x509.AuthorityKeyIdentifierExtension)!;
    assert.equal(keyId, '0badcafe');
  });

  it('ends with its issuer, also in the year 2050 and later, and begins no sooner', async () => {
    const { privateKey, publicKey } = ec('prime256v1');
    const until = Date.UTC(2061, 1, 3, 4, 5, 6);
    const { issuer } = await issuerOf(privateKey, publicKey, { until });
    const csr = certificateRequest(newKey());
    for (const [lifeMs, ends] of [
      [60 * 365 * DAY, until],
      [DAY, Date.now() + DAY],
    ]) {
      const leaf = new X509Certificate(await wanted(issuer, csr, { lifeMs }));
      assert.ok(Math.abs(leaf.validToDate.getTime() - ends) < 60_000, leaf.validTo);
    }
    const early = new X509Certificate(await wanted(issuer, csr, { now: Date.now() - DAY }));
    assert.ok(early.validFromDate.getTime() >= Date.now() - DAY - 60_000);
    await assert.rejects(wanted(issuer, csr, { now: until }), { message: 'the authority in own.pem has expired' });
  });

  it('is not written for a name that it cannot carry', async () => {
    const { privateKey, publicKey } = ec('prime256v1');
    const { issuer } = await issuerOf(privateKey, publicKey);
    const csr = certificateRequest(newKey());
    for (const spiffe of ['spiffe://x/ns/\u0000', 'spiffe://x/ns/ä', 'spiffe://x/ns/a b', '']) {
      await assert.rejects(wanted(issuer, csr, { spiffe }), /^Error: no certificate names/);
    }
    const long = `spiffe://x/${'a'.repeat(20_000)}`;
    assert.equal(new X509Certificate(await wanted(issuer, csr, { spiffe: long })).subjectAltName, `URI:${long}`);
    await assert.rejects(wanted(issuer, csr, { spiffe: `spiffe://${'a'.repeat(70_000)}` }), RangeError);
  });
});

describe('a request for a certificate', () => {
  const refused = { message: 'that is no certificate signing request of a P-256 key' };

  it('is refused when a byte of it is another or is missing', () => {
    const csr = certificateRequest(newKey());
    const bytes = Buffer.from(csr.replaceAll(/-----[^-]+-----/g, ''), 'base64');
    const pem = (der: Uint8Array) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    assert.equal(keyAsked(pem(bytes)).byteLength, 91);
    for (let at = 0; at < bytes.byteLength; at++) {
      assert.throws(() => keyAsked(pem(bytes.subarray(0, at))), refused, `${at} bytes`);
      const other = Uint8Array.from(bytes);
      other[at] ^= 1 << (at % 8);
      assert.throws(() => keyAsked(pem(other)), refused, `byte ${at}`);
    }
    assert.throws(() => keyAsked(pem(Buffer.concat([bytes, Buffer.of(0)]))), refused);
    for (const text of ['', 'x', csr.replace('REQUEST', 'REQUESTS'), `${csr}${csr}`]) {
      assert.throws(() => keyAsked(text), refused);
    }
  });

  it('counts for a key that it is not signed with, or of another kind, as none', async () => {
    const { privateKey } = ec('prime256v1');
    const other = ec('secp384r1').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    assert.throws(() => keyAsked(certificateRequest(other)), refused);
    const asked = (of: KeyObject) => of.export({ type: 'pkcs8', format: 'pem' }) as string;
    const [mine, theirs] = [certificateRequest(asked(privateKey)), certificateRequest(newKey())].map((csr) =>
      Buffer.from(csr.replaceAll(/-----[^-]+-----/g, ''), 'base64'),
    );
    // Lengths of signatures differ by some bytes; the key stands at the same place in both.
    const mixed = Uint8Array.from(mine);
    mixed.set(theirs.subarray(40, 100), 40);
    const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(mixed).toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
    assert.throws(() => keyAsked(pem), refused);
  });

  it('is read as other tools write it: with a subject, attributes, and another hash', async () => {
    const { privateKey, publicKey } = ec('prime256v1');
    const crypto = (of: KeyObject, use: string) =>
      (of as unknown as { toCryptoKey(...by: unknown[]): webcrypto.CryptoKey }).toCryptoKey(P256, true, [use]);
    const keys = { privateKey: crypto(privateKey, 'sign'), publicKey: crypto(publicKey, 'verify') };
    for (const hash of ['SHA-256', 'SHA-384', 'SHA-512']) {
      const csr = await x509.Pkcs10CertificateRequestGenerator.create({
        name: 'O=Example, CN=someone else',
        keys,
        signingAlgorithm: { name: 'ECDSA', hash },
        extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'example.com' }])],
      });
      const spki = publicKey.export({ type: 'spki', format: 'der' });
      assert.deepEqual(keyAsked(csr.toString('pem')), spki);
    }
  });
});
