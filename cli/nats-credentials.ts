// The users of NATS of a control plane, from the file that `mesh up` and `mesh nats config` make.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BusKeys } from '../bus/users/accounts.ts';
import { meshHome } from './context.ts';
import { CliError, EXIT } from './exit.ts';

export interface NatsCredentials {
  readonly control: {
    readonly jwt: string;
    readonly seed: string;
    readonly keys: BusKeys;
    readonly signingKey: string;
  };
  readonly proxy?: { readonly verifyKey: string };
}

/** Throws CliError. */
export async function readNatsCredentials(
  file = join(meshHome(), 'nats', 'credentials.json'),
): Promise<NatsCredentials> {
  try {
    const credentials = JSON.parse(await readFile(file, 'utf8')) as NatsCredentials;
    if (typeof credentials.control?.jwt === 'string') return credentials;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it does not exist' : (error as Error).message;
    throw new CliError(`no users of NATS in ${file}: ${why} (home: ${meshHome()})`, EXIT.usage);
  }
  throw new CliError(`${file} names no control user`, EXIT.usage);
}

/** Who vouches for the servers of NATS, of --nats-ca. Throws CliError. */
export async function readRoots(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new CliError(`--nats-ca: ${error.message}`, EXIT.usage);
  });
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new CliError(`--nats-ca: ${file} has no certificate in PEM`, EXIT.usage);
}
