// A passphrase: from a file or from the environment, never from the command line, which others can read.
import { readFile } from 'node:fs/promises';
import { CliError, EXIT } from './exit.ts';

export const PASSPHRASE_VARIABLE = 'MESH_BACKUP_PASSPHRASE';
const LEAST = 12;

/** null: none was given. Throws CliError. */
export async function readPassphrase(file: string | undefined, variable = PASSPHRASE_VARIABLE): Promise<string | null> {
  const text = file === undefined ? (process.env[variable] ?? '') : await readFile(file, 'utf8');
  const passphrase = text.trim();
  if (file === undefined && passphrase === '') return null;
  if (passphrase.length >= LEAST) return passphrase;
  const where = file ?? `$${variable}`;
  throw new CliError(`the passphrase in ${where} has ${passphrase.length} characters: at least ${LEAST}`, EXIT.usage);
}
