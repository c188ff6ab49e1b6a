// What the authority signs with, on disk: made at the first start, or files of the user's own. Keys are readable by their owner
// alone, and encrypted when there is a passphrase.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { certificatesIn, fingerprintOf, isFingerprint } from '../../core/config/pem.ts';
import { type Issuer, type Made, makeIntermediate, makeRoot } from './issuing.ts';

export interface AuthorityFiles {
  /** Where the authority's own files are, or are made. */
  readonly dir: string;
  /** In their place: the issuer's certificate with all up to its root, and its key, both in PEM. */
  readonly own?: { readonly certificates: string; readonly key: string };
  /** Of the keys. */
  readonly passphrase?: string;
}

const ROOT = 'root-cert.pem';
const ROOT_KEY = 'root-key.pem';
const ISSUER = 'ca-cert.pem';
const ISSUER_KEY = 'ca-key.pem';

/** Whether there is one to be read. */
export async function isMade({ dir, own }: AuthorityFiles): Promise<boolean> {
  return own !== undefined || isThere(join(dir, ISSUER));
}

/** Reads it, or makes it first. Throws an Error in one sentence. */
export async function openIssuer(files: AuthorityFiles, now: number): Promise<Issuer> {
  const { dir, own, passphrase } = files;
  if (own !== undefined) return readIssuer(own.certificates, own.key, passphrase, now);
  if (!(await isMade(files))) await make(files, now);
  return readIssuer(join(dir, ISSUER), join(dir, ISSUER_KEY), passphrase, now);
}

/** The root of what `openIssuer` reads, which need not be valid any more; made, too, where there is none. Throws as `openIssuer`. */
export async function firstRoot(files: AuthorityFiles, now: number): Promise<string> {
  if (!(await isMade(files))) await make(files, now);
  const certificates = files.own?.certificates ?? join(files.dir, ISSUER);
  const root = readChain(certificates, await text(certificates)).at(-1)!;
  if (root.checkIssued(root) && root.verify(root.publicKey)) return root.toString();
  throw new Error(`${certificates}: its root is missing at the end of the file`);
}

/** What `makeNext` or `makeIntermediateNext` made, by its fingerprint. Throws an Error in one sentence. */
export async function openNext({ dir, passphrase }: AuthorityFiles, name: string, now: number): Promise<Issuer> {
  const folder = folderOf(dir, name);
  if (await isThere(join(folder, ISSUER))) {
    return readIssuer(join(folder, ISSUER), join(folder, ISSUER_KEY), passphrase, now);
  }
  throw new Error(
    `${folder} is missing: certificates are signed by what another control plane made; copy that folder from there`,
  );
}

/** Another authority beside the one that is there, in a folder that is named after its root. */
export async function makeNext({ dir, passphrase }: AuthorityFiles, now: number): Promise<string> {
  const root = await makeRoot(now);
  const folder = join(dir, fingerprintOf(root.certificate));
  await makeAt(folder, root, passphrase, now);
  return root.certificate;
}

/**
 * Another intermediate below the root with that fingerprint, in a folder that is named after it: its fingerprint. Throws an Error in
 * one sentence.
 */
export async function makeIntermediateNext(files: AuthorityFiles, root: string, now: number): Promise<string> {
  const { dir, passphrase } = files;
  const folder = fingerprintOf(await text(join(dir, ROOT))) === root ? dir : join(dir, root);
  const keyFile = join(folder, ROOT_KEY);
  const above = { certificate: await text(join(folder, ROOT)), key: readKey(keyFile, await text(keyFile), passphrase) };
  const made = await makeIntermediate(above, now);
  const name = fingerprintOf(made.certificate);
  await writeAt(join(dir, name), issuerFiles(above, made, passphrase));
  return name;
}

/** Whether `openNext` would find it. */
export function hasNext({ dir }: AuthorityFiles, name: string): Promise<boolean> {
  return isThere(join(folderOf(dir, name), ISSUER));
}

/** Its keys are for nothing any more. That nobody has it is no failure. */
export async function removeNext({ dir }: AuthorityFiles, name: string): Promise<void> {
  await rm(folderOf(dir, name), { recursive: true, force: true });
}

/** Of a root or an intermediate, by its fingerprint. What else the mesh's trust may name is no way to a file. */
function folderOf(dir: string, name: string): string {
  if (!isFingerprint(name)) throw new Error(`${JSON.stringify(name)} is no fingerprint of an authority's certificate`);
  return join(dir, name);
}

async function readIssuer(
  certificates: string,
  keyFile: string,
  passphrase: string | undefined,
  now: number,
): Promise<Issuer> {
  const chain = readChain(certificates, await text(certificates));
  const key = readKey(keyFile, await text(keyFile), passphrase);
  const [issuer] = chain;
  const root = chain.at(-1)!;
  if (!issuer.checkPrivateKey(key))
    throw new Error(`${keyFile} is not the key of the first certificate in ${certificates}`);
  chain.forEach((certificate, at) => {
    // A workload's has none.
    const subject = certificate.subject?.replaceAll('\n', ', ') ?? `certificate ${at + 1}`;
    if (!certificate.ca) throw new Error(`${certificates}: ${subject} may not sign certificates (it is no CA)`);
    if (certificate.validToDate.getTime() <= now) {
      throw new Error(`${certificates}: ${subject} has expired, on ${certificate.validTo}`);
    }
    if (certificate.validFromDate.getTime() > now) {
      throw new Error(`${certificates}: ${subject} is not valid before ${certificate.validFrom}`);
    }
    const above = chain[at + 1] ?? certificate;
    if (certificate.checkIssued(above) && certificate.verify(above.publicKey)) return;
    const missing =
      above === certificate ? 'its root is missing at the end of the file' : 'the next one did not sign it';
    throw new Error(`${certificates}: ${subject}: ${missing}`);
  });
  return {
    key,
    chain: chain.slice(0, -1).map((certificate) => certificate.toString()),
    root: root.toString(),
    where: certificates,
  };
}

function readChain(file: string, pem: string): X509Certificate[] {
  const found = certificatesIn(pem);
  if (found.length === 0) throw new Error(`${file} has no certificate in PEM`);
  return found.map((each) => {
    try {
      return new X509Certificate(each);
    } catch (error) {
      throw new Error(`${file} is damaged: ${(error as Error).message}`);
    }
  });
}

function readKey(file: string, pem: string, passphrase: string | undefined): KeyObject {
  const encrypted = pem.includes('ENCRYPTED');
  if (encrypted && passphrase === undefined) throw new Error(`${file} is encrypted, and no passphrase is given`);
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, passphrase });
  } catch {
    const why = encrypted ? 'the passphrase does not open it, or it is damaged' : 'it is no private key in PEM';
    throw new Error(`${file}: ${why}`);
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa' || (type === 'ec' && ['prime256v1', 'secp384r1'].includes(details?.namedCurve ?? ''))) return key;
  throw new Error(`${file}: keys of authorities are RSA, P-256 or P-384, not ${details?.namedCurve ?? type}`);
}

/** All of it appears at once: of two control planes that start together one makes it, and both read the same. */
async function make({ dir, passphrase }: AuthorityFiles, now: number): Promise<void> {
  await makeAt(dir, await makeRoot(now), passphrase, now);
}

async function makeAt(dir: string, root: Made, passphrase: string | undefined, now: number): Promise<void> {
  const issuer = issuerFiles(root, await makeIntermediate(root, now), passphrase);
  await writeAt(dir, [...issuer, [ROOT_KEY, keyPem(root, passphrase)]]);
}

type Named = readonly (readonly [name: string, pem: string])[];

function issuerFiles(root: Made, issuer: Made, passphrase: string | undefined): Named {
  return [
    [ROOT, root.certificate],
    [ISSUER, `${issuer.certificate}\n${root.certificate}`],
    [ISSUER_KEY, keyPem(issuer, passphrase)],
  ];
}

async function writeAt(dir: string, files: Named): Promise<void> {
  let fresh = '';
  try {
    await mkdir(dirname(dir), { recursive: true, mode: 0o700 });
    // For its owner alone.
    fresh = await mkdtemp(`${dir}.new.`);
    for (const [name, pem] of files)
      await writeFile(join(fresh, name), `${pem.trim()}\n`, { mode: 0o600, flush: true });
    await rename(fresh, dir);
  } catch (error) {
    if (fresh !== '') await rm(fresh, { recursive: true, force: true });
    // Somebody else was first.
    if (await isThere(join(dir, ISSUER))) return;
    throw new Error(`the authority cannot be kept in ${dir}: ${(error as Error).message}`);
  }
}

function keyPem({ key }: Made, passphrase: string | undefined): string {
  const cipher = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return key.export({ type: 'pkcs8', format: 'pem', ...cipher } as { type: 'pkcs8'; format: 'pem' }) as string;
}

async function text(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read: ${(error as Error).message}`);
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await readFile(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
