// The registry's signature of a version: ECDSA P-256 over `name@version:integrity`, by a key that the registry publishes.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { StepFailed } from '../step.ts';
import type { PackageVersion } from './package-version.ts';
import { type RegistryFetcher, Unproven } from './unproven.ts';

export interface RegistryKey {
  readonly keyid: string;
  /** Base64 of the SubjectPublicKeyInfo. */
  readonly key: string;
  /** ISO 8601; null: it does not. */
  readonly expires: string | null;
}

export const KEYS_PATH = '-/npm/v1/keys';
/** Nothing that was published before this had a signature. */
const FIRST_SIGNATURES = '2015-01-01T00:00:00.000Z';

/** Who signed: the key's id. Throws Unproven when nobody did, StepFailed (verify, refused) when it is false. */
export async function verifySignature(
  { name, version, dist, _time }: PackageVersion,
  integrity: string,
  registry: RegistryFetcher,
): Promise<string> {
  const id = `${name}@${version}`;
  const { signatures = [] } = dist;
  if (signatures.length === 0) throw new Unproven(`the registry has not signed ${id}`);
  const keys = await registryKeys(registry);
  if (keys.length === 0) throw new Unproven(`the registry publishes no keys for its signature of ${id}`);
  const refuse = (why: string): StepFailed => new StepFailed('verify', 'refused', `the signature of ${id} ${why}`);
  for (const { keyid, sig } of signatures) {
    const key = keys.find((each) => each.keyid === keyid);
    if (key === undefined) throw refuse(`is of a key that the registry does not publish (${keyid})`);
    if (key.expires !== null && !(Date.parse(_time ?? FIRST_SIGNATURES) < Date.parse(key.expires))) {
      throw refuse(`is of a key that had expired (${key.expires})`);
    }
    const message = Buffer.from(`${id}:${integrity}`);
    if (!verify('sha256', message, publicKey(key), Buffer.from(sig, 'base64'))) throw refuse('is forged');
  }
  return signatures[0].keyid;
}

/** Of the registry of a package; none: it publishes none. */
export async function registryKeys(registry: RegistryFetcher): Promise<readonly RegistryKey[]> {
  const document = (await registry.get(KEYS_PATH)) as { keys?: unknown } | null;
  const keys = Array.isArray(document?.keys) ? (document.keys as Partial<RegistryKey>[]) : [];
  return keys.flatMap(({ keyid, key, expires }) =>
    typeof keyid === 'string' && typeof key === 'string' ? [{ keyid, key, expires: expires ?? null }] : [],
  );
}

export function publicKey({ keyid, key }: RegistryKey): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
  } catch (error) {
    throw new StepFailed('verify', 'refused', `the registry's key ${keyid} is none: ${(error as Error).message}`);
  }
}
