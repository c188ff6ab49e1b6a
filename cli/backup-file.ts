// The file of `mesh backup`: gzipped JSON with everything that a mesh is made of. Secrets are in it only under a passphrase.
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { SignedAccess } from '../bus/access-types.ts';
import type { StoredSecret } from '../bus/secret-types.ts';
import type { Position } from '../bus/types.ts';
import { CliError, EXIT } from './exit.ts';

export interface Backup {
  readonly format: 'weft-backup';
  readonly v: 1;
  /** ISO 8601 */
  readonly time: string;
  /** Of the `mesh` that made it. */
  readonly version: string;
  readonly at: Position;
  readonly resources: readonly unknown[];
  /** Base64 of the modules that the resources run, by digest. */
  readonly modules: Readonly<Record<string, string>>;
  /** The text of mesh-plugins.lock; null: there was none. */
  readonly lockfile: string | null;
  /** Those of `mesh secret`, sealed as the mesh keeps them: by what is derived from a key among `secrets`. */
  readonly credentials: readonly StoredSecret[];
  /** Who has a token of the API, signed by the mesh; no token. Not in files of earlier versions. */
  readonly access: readonly SignedAccess[];
  /** Files of $MESH_HOME, sealed; null: no passphrase was given. */
  readonly secrets: Sealed | null;
}

/** scrypt of the passphrase, AES-256-GCM; all base64. */
export interface Sealed {
  readonly salt: string;
  readonly iv: string;
  readonly tag: string;
  readonly data: string;
}

/** Texts of files by their path in $MESH_HOME, base64. */
export type SecretFiles = Readonly<Record<string, string>>;

const MAX_BYTES = 1024 * 1024 * 1024;
const CIPHER = 'aes-256-gcm';
/** A shorter one can be guessed. */
const TAG_BYTES = 16;
/** 128 MiB and a third of a second for whoever guesses. */
const SCRYPT = { N: 131_072, r: 8, p: 1, maxmem: 256 * 1024 * 1024 };

/** Whole or not at all; only the owner may read it. */
export async function writeBackup(file: string, backup: Backup): Promise<number> {
  const bytes = await promisify(gzip)(JSON.stringify(backup));
  const fresh = `${file}.${process.pid}.new`;
  await writeFile(fresh, bytes, { mode: 0o600, flush: true });
  await rename(fresh, file);
  return bytes.length;
}

/** Throws CliError: there is none, it is damaged, or it is of another version. */
export async function readBackup(file: string): Promise<Backup> {
  let value: Partial<Backup> | null;
  try {
    value = JSON.parse(String(await promisify(gunzip)(await readFile(file), { maxOutputLength: MAX_BYTES })));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CliError(code === 'ENOENT' ? `${file} does not exist` : `${file} is no backup, or damaged: ${message}`);
  }
  if (value?.format !== 'weft-backup') throw new CliError(`${file} is no backup of a mesh`, EXIT.usage);
  const { v, at, resources, modules, secrets, credentials, access = [] } = value;
  if (v !== 1) throw new CliError(`${file} is a backup of another version (${String(v)}, not 1)`, EXIT.refused);
  const whole =
    at !== undefined &&
    Array.isArray(resources) &&
    modules !== undefined &&
    secrets !== undefined &&
    Array.isArray(credentials) &&
    Array.isArray(access);
  if (!whole) throw new CliError(`${file} is not a whole backup`, EXIT.refused);
  return { ...value, access } as Backup;
}

export async function seal(files: SecretFiles, passphrase: string): Promise<Sealed> {
  const [salt, iv] = [randomBytes(16), randomBytes(12)];
  const cipher = createCipheriv(CIPHER, await keyOf(passphrase, salt), iv, { authTagLength: TAG_BYTES });
  const data = Buffer.concat([cipher.update(JSON.stringify(files)), cipher.final()]);
  return {
    salt: salt.toString('base64'),
    iv: iv.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    data: data.toString('base64'),
  };
}

/** Throws CliError: another passphrase, or what was sealed is damaged. */
export async function unseal({ salt, iv, tag, data }: Sealed, passphrase: string): Promise<SecretFiles> {
  const key = await keyOf(passphrase, Buffer.from(salt, 'base64'));
  try {
    const decipher = createDecipheriv(CIPHER, key, Buffer.from(iv, 'base64'), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(Buffer.from(tag, 'base64'));
    const text = Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]);
    return JSON.parse(text.toString()) as SecretFiles;
  } catch {
    // Which of the two it is cannot be told apart.
    throw new CliError('the secrets cannot be opened: it is another passphrase, or the file is damaged', EXIT.refused);
  }
}

function keyOf(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, SCRYPT, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
