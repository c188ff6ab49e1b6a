// Whether an image, or a module, was signed by the holder of a key, as cosign does it: beside the image, under a tag that is
// named after its digest, or in a file beside the module.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { StepFailed } from '../step.ts';
import { type ImageReference, imageName } from './reference.ts';
import type { Repository } from './registry.ts';

const PAYLOAD = 'application/vnd.dev.cosign.simplesigning.v1+json';
const SIGNATURE = 'dev.cosignproject.cosign/signature';
const MOST_SIGNATURES = 20;

interface Payload {
  readonly critical?: { readonly image?: { readonly 'docker-manifest-digest'?: string } };
}

/** One good signature is enough. Throws StepFailed (verify). */
export async function verifyImage(
  repository: Repository,
  digest: string,
  named: ImageReference,
  key: string,
): Promise<void> {
  const publicKey = parseKey(key);
  const name = imageName(named);
  const refuse = (why: string): StepFailed => new StepFailed('verify', 'refused', `${name} ${why}`);
  const signatures = await repository.manifest(`${digest.replace(':', '-')}.sig`);
  if (signatures === null) throw refuse('is not signed, and a verification key is given');
  const layers = (signatures.manifest.layers ?? []).filter(({ mediaType }) => mediaType === PAYLOAD);
  let why = 'has no signature that cosign would make';
  for (const layer of layers.slice(0, MOST_SIGNATURES)) {
    const signature = layer.annotations?.[SIGNATURE];
    if (signature === undefined) continue;
    const payload = await repository.blob(layer);
    if (!isSigned(payload, signature, publicKey)) why = 'is signed, but not by the given key';
    else if (signedDigest(payload) === digest) return;
    else why = 'has a signature of another image';
  }
  throw refuse(why);
}

/** `signature`: base64, as `cosign sign-blob` prints it. Throws StepFailed (verify). */
export function verifyBlob(what: string, bytes: Uint8Array, signature: string, key: string): void {
  if (isSigned(bytes, signature, parseKey(key))) return;
  throw new StepFailed('verify', 'refused', `${what} is signed, but not by the given key`);
}

function isSigned(bytes: Uint8Array, signature: string, key: KeyObject): boolean {
  const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  try {
    return verify(digest, bytes, key, Buffer.from(signature.trim(), 'base64'));
  } catch {
    // What is no signature at all signs nothing.
    return false;
  }
}

function signedDigest(payload: Uint8Array): string | undefined {
  try {
    return (JSON.parse(Buffer.from(payload).toString('utf8')) as Payload).critical?.image?.['docker-manifest-digest'];
  } catch {
    return undefined;
  }
}

/** PEM, or the base64 inside of it. Throws StepFailed (verify, usage). */
export function parseKey(key: string): KeyObject {
  const pem = key.includes('-----BEGIN')
    ? key
    : `-----BEGIN PUBLIC KEY-----\n${key.trim()}\n-----END PUBLIC KEY-----\n`;
  try {
    return createPublicKey(pem);
  } catch {
    throw new StepFailed('verify', 'usage', 'the verification key is no public key in PEM');
  }
}
