// A passphrase: from a file, from the environment or from a program, never from the command line, which others can read.
import { exec } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { CliError, EXIT } from './exit.ts';

export const PASSPHRASE_VARIABLE = 'MESH_BACKUP_PASSPHRASE';
const LEAST = 12;
const COMMAND_MS = 30_000;
const MAX_BYTES = 64 * 1024;

/** null: none was given. Throws CliError. */
export async function readPassphrase(file: string | undefined, variable = PASSPHRASE_VARIABLE): Promise<string | null> {
  const text = file === undefined ? (process.env[variable] ?? '') : await readFile(file, 'utf8');
  if (file === undefined && text.trim() === '') return null;
  return longEnough(text.trim(), `in ${file ?? `$${variable}`}`);
}

/** What a command of the shell prints. Throws CliError, which never tells what it printed. */
export async function passphraseFrom(command: string): Promise<string> {
  const text = await new Promise<string>((resolve, reject) => {
    exec(command, { timeout: COMMAND_MS, maxBuffer: MAX_BYTES }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const ended = error.killed === true ? `took more than ${COMMAND_MS / 1_000} s` : `ended with ${error.code}`;
      const [said = ''] = stderr.trim().split('\n').slice(-1);
      const why = said === '' ? ended : `${ended}: ${said.slice(0, 200)}`;
      reject(new CliError(`the command that prints the passphrase ${why}`));
    });
  });
  return longEnough(text.trim(), 'that the command prints');
}

function longEnough(passphrase: string, where: string): string {
  if (passphrase.length >= LEAST) return passphrase;
  throw new CliError(`the passphrase ${where} has ${passphrase.length} characters: at least ${LEAST}`, EXIT.usage);
}
