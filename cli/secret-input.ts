// A secret that a command is given: from a file, from standard input, or typed at a terminal that does not show it. Never from the
// command line, which others can read.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { CliError, EXIT } from './exit.ts';
import { note } from './output.ts';

const MOST = 16_384;

/** One word. Throws CliError. `what`: 'token'. */
export async function readSecret(file: string | undefined, what: string): Promise<string> {
  const given = (await read(file, what)).trim();
  const where = file ?? 'standard input';
  if (given === '') throw new CliError(`there is no ${what} in ${where}`, EXIT.usage);
  if (given.length > MOST || !/^[\x21-\x7e]+$/.test(given)) {
    throw new CliError(`what is in ${where} is no ${what}: one word of letters, digits and signs`, EXIT.usage);
  }
  return given;
}

async function read(file: string | undefined, what: string): Promise<string> {
  if (file === undefined) return process.stdin.isTTY ? ask(what) : text(process.stdin);
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CliError(
      `${file} cannot be read: ${error.code === 'ENOENT' ? 'it does not exist' : error.message}`,
      EXIT.usage,
    );
  });
}

async function ask(what: string): Promise<string> {
  note(`the ${what}, which is not shown as you type it:`);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
  }
}
