// Certificates as they are written and signed: roots, intermediates, and those of servers; those of workloads by leaf.ts. The only
// file that knows the library for X.509, which is loaded when the first one is written: who signs nothing does without it.
import { generateKeyPairSync, type KeyObject, type webcrypto } from 'node:crypto';
import { type Form, writeLeaf } from './leaf.ts';
import { keyAsked } from './request.ts';

/** What signs for workloads. Certificates are in PEM. */
export interface Issuer {
  readonly key: KeyObject;
  /** Its own certificate, and those between it and the root; empty when it is the root itself. */
  readonly chain: readonly string[];
  readonly root: string;
  /** Where it was read from, for messages. */
  readonly where: string;
}

/** A new authority's certificate with its key. */
export interface Made {
  readonly certificate: string;
  readonly key: KeyObject;
}

const DAY_MS = 86_400_000;
const ROOT_LIFE_MS = 10 * 365 * DAY_MS;
const INTERMEDIATE_LIFE_MS = 5 * 365 * DAY_MS;
/** Clocks of a mesh may differ by this much. */
const BACKDATED_MS = 15 * 60_000;

type X509 = typeof import('@peculiar/x509');

async function load(): Promise<X509> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

export function makeRoot(now: number): Promise<Made> {
  return makeAuthority('Weft root', ROOT_LIFE_MS, now, null);
}

export function makeIntermediate(root: Made, now: number): Promise<Made> {
  return makeAuthority('Weft intermediate', INTERMEDIATE_LIFE_MS, now, root);
}

async function makeAuthority(name: string, lifeMs: number, now: number, signer: Made | null): Promise<Made> {
  const x509 = await load();
  const { privateKey: key, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const subject = `O=Weft, CN=${name} ${new Date(now).toISOString().slice(0, 10)}`;
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: signer === null ? subject : new x509.X509Certificate(signer.certificate).subject,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(now + lifeMs),
    publicKey: await cryptoKey(publicKey),
    signingKey: await cryptoKey(signer?.key ?? key),
    signingAlgorithm: algorithmOf(signer?.key ?? key),
    extensions: [
      new x509.BasicConstraintsExtension(true, signer === null ? undefined : 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(await cryptoKey(publicKey)),
    ],
  });
  return { certificate: certificate.toString('pem'), key };
}

export interface Wanted {
  readonly issuer: Issuer;
  /** A certificate signing request in PEM: of what it says the key alone counts. */
  readonly csr: string;
  readonly spiffe: string;
  /** See core/config/serial.ts. */
  readonly serial: Buffer;
  readonly lifeMs: number;
  /** Ms of the epoch. */
  readonly now: number;
}

/** In PEM. Throws an Error in one clause for what is no request of a P-256 key, or when the issuer's own time is over. */
export async function issueWorkload({ issuer, csr, spiffe, serial, lifeMs, now }: Wanted): Promise<string> {
  const key = keyAsked(csr);
  const { form, begins, ends } = await prepare(issuer);
  const until = Math.min(now + lifeMs, ends);
  if (until <= now) throw new Error(`the authority in ${issuer.where} has expired`);
  const from = new Date(Math.max(now - BACKDATED_MS, begins));
  return writeLeaf({ form, key, spiffe, serial, from, until: new Date(until) });
}

/** What is the same in every workload's certificate of an issuer, and the issuer's own time in ms of the epoch. */
interface Prepared {
  readonly form: Form;
  readonly begins: number;
  readonly ends: number;
}

const PREPARED = new WeakMap<Issuer, Promise<Prepared>>();

/** Once for an issuer. */
function prepare(issuer: Issuer): Promise<Prepared> {
  const known = PREPARED.get(issuer);
  if (known !== undefined) return known;
  const preparing = (async (): Promise<Prepared> => {
    const x509 = await load();
    const signer = new x509.X509Certificate(issuer.chain[0] ?? issuer.root);
    const extensions = [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      await authorityKey(x509, signer),
    ];
    return {
      form: {
        key: issuer.key,
        hash: algorithmOf(issuer.key).hash === 'SHA-384' ? 'sha384' : 'sha256',
        issuer: Buffer.from(signer.subjectName.toArrayBuffer()),
        extensions: Buffer.concat(extensions.map(({ rawData }) => Buffer.from(rawData))),
      },
      begins: signer.notBefore.getTime(),
      ends: signer.notAfter.getTime(),
    };
  })();
  PREPARED.set(issuer, preparing);
  return preparing;
}

/** By the name that the signer's certificate gives its key, which need not be the hash of it (RFC 5280 4.2.1.1). */
async function authorityKey(x509: X509, signer: InstanceType<X509['X509Certificate']>) {
  const named = signer.getExtension(x509.SubjectKeyIdentifierExtension);
  if (named !== null) return new x509.AuthorityKeyIdentifierExtension(named.keyId);
  return x509.AuthorityKeyIdentifierExtension.create(signer.publicKey);
}

export interface WantedServer {
  readonly issuer: Issuer;
  readonly key: KeyObject;
  /** An IP address. */
  readonly address: string;
  /** Ms of the epoch. */
  readonly now: number;
}

/** For a server of the mesh's own, as long as its issuer lives. In PEM. */
export async function issueServer({ issuer, key, address, now }: WantedServer): Promise<string> {
  const x509 = await load();
  const signer = new x509.X509Certificate(issuer.chain[0] ?? issuer.root);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'O=Weft, CN=Weft control plane',
    issuer: signer.subject,
    notBefore: new Date(Math.max(now - BACKDATED_MS, signer.notBefore.getTime())),
    notAfter: signer.notAfter,
    publicKey: await cryptoKey(key),
    signingKey: await cryptoKey(issuer.key),
    signingAlgorithm: algorithmOf(issuer.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: address }]),
      await authorityKey(x509, signer),
    ],
  });
  return certificate.toString('pem');
}

function algorithmOf(key: KeyObject): { name: string; hash: string; namedCurve?: string } {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const p384 = key.asymmetricKeyDetails?.namedCurve === 'secp384r1';
  return { name: 'ECDSA', namedCurve: p384 ? 'P-384' : 'P-256', hash: p384 ? 'SHA-384' : 'SHA-256' };
}

async function cryptoKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return key.toCryptoKey(algorithmOf(key), true, [key.type === 'private' ? 'sign' : 'verify']);
}
