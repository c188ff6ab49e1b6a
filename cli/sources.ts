// What `-f` names: files, folders or standard input, as texts under the names that errors will use.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { SourceFile } from '../control/checker/messages.ts';
import { decodeText } from '../core/config/text.ts';
import { CliError, EXIT } from './exit.ts';

const MAX_BYTES = 32 * 1024 * 1024;
const CONFIGURATION = /\.(ya?ml|json)$/i;

/** Throws CliError when something does not exist or is no text, or when there is nothing to read. */
export async function readSources(names: readonly string[], recursive: boolean): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  let bytes = 0;
  for (const name of names) {
    for (const file of name === '-' ? ['-'] : await filesOf(name, recursive)) {
      const content = file === '-' ? await buffer(process.stdin) : await readFile(file);
      bytes += content.length;
      if (bytes > MAX_BYTES) throw new CliError(`more than ${MAX_BYTES / 1024 / 1024} MiB of configuration at once`);
      const shown = file === '-' ? 'stdin' : file;
      const decoded = decodeText(content, shown);
      if ('problem' in decoded) throw new CliError(`${shown} cannot be read`, EXIT.refused, [decoded.problem]);
      files.push({ name: shown, text: decoded.text });
    }
  }
  return files;
}

async function filesOf(name: string, recursive: boolean): Promise<string[]> {
  const found = await stat(name).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(error.code === 'ENOENT' ? `${name} does not exist` : `${name}: ${error.message}`, EXIT.usage);
  });
  if (!found.isDirectory()) return [name];
  const files = await inFolder(name, recursive);
  if (files.length === 0) throw new CliError(`${name} holds no .yaml, .yml or .json file`, EXIT.usage);
  return files;
}

async function inFolder(folder: string, recursive: boolean): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(recursive ? await inFolder(path, true) : []));
    else if (CONFIGURATION.test(entry.name)) files.push(path);
  }
  return files;
}
