// The token that a program prints whenever the control plane is asked, for tokens that soon expire: one word, or the answer of one of
// kubectl's credential plugins (ExecCredential in JSON).
import { spawn } from 'node:child_process';
import { CliError } from './exit.ts';

/** Somebody may have to log in meanwhile, in a browser. */
const COMMAND_MS = 300_000;
const MAX_BYTES = 64 * 1024;
const WORD = /^[\x21-\x7e]{1,16384}$/;
/** Who asks for longer gets a newer one. */
const KEPT_MS = 30_000;

export class TokenCommand {
  readonly #command: string;
  #token: Promise<string> | null = null;
  #printedAt = 0;

  constructor(command: string) {
    this.#command = command;
  }

  /** Rejects with a CliError, which never tells what was printed. */
  token(): Promise<string> {
    const now = performance.now();
    if (this.#token === null || now - this.#printedAt > KEPT_MS) {
      this.#printedAt = now;
      this.#token = printed(this.#command).then(tokenIn);
      this.#token.catch(() => {
        this.#token = null;
      });
    }
    return this.#token;
  }
}

/** What it says beside goes where this program's own does. */
function printed(command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new CliError(`the command that prints the token ${why}`));
    const child = spawn(command, { shell: true, stdio: ['inherit', 'pipe', 'inherit'], timeout: COMMAND_MS });
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BYTES) chunks.push(chunk);
      else child.kill();
    });
    child.once('error', (error) => fail(`cannot be run: ${error.message}`));
    child.once('close', (code, signal) => {
      if (size > MAX_BYTES) fail(`prints more than ${MAX_BYTES} bytes`);
      else if (signal !== null) fail(`was ended by ${signal}, after ${COMMAND_MS / 1_000} s at the latest`);
      else if (code !== 0) fail(`ended with ${code}`);
      else resolve(Buffer.concat(chunks).toString().trim());
    });
  });
}

function tokenIn(text: string): string {
  const token = text.startsWith('{') ? credential(text) : text;
  if (typeof token === 'string' && WORD.test(token)) return token;
  throw new CliError(
    'the command that prints the token printed none: one word, or an ExecCredential with status.token',
  );
}

function credential(text: string): unknown {
  try {
    return (JSON.parse(text) as { readonly status?: { readonly token?: unknown } }).status?.token;
  } catch {
    return undefined;
  }
}
