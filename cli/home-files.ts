// The secrets of a mesh: the files of $MESH_HOME that are neither data, nor what a proxy keeps, nor made anew by each start.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';
import type { SecretFiles } from './backup-file.ts';
import { CliError, EXIT } from './exit.ts';

/** By path in $MESH_HOME. */
const ELSEWHERE = [
  'proxies',
  'context.json',
  'nats/data',
  'nats/nats.conf',
  'nats/nats.pid',
  'nats/owner',
  'nats/port',
  'nats/tls-cert.pem',
  'nats/tls-key.pem',
].map(normalize);
const MAX_FILES = 1_000;
const MAX_BYTES = 1024 * 1024;

export async function readSecrets(home: string): Promise<SecretFiles> {
  const files: Record<string, string> = {};
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(home, folder), { withFileTypes: true })) {
      const path = normalize(join(folder, entry.name));
      if (ELSEWHERE.includes(path) || /\.new(?:\.|$)/.test(entry.name)) continue;
      if (entry.isDirectory()) await walk(path);
      if (!entry.isFile()) continue;
      const bytes = await readFile(join(home, path));
      if (bytes.length > MAX_BYTES || Object.keys(files).length >= MAX_FILES) {
        throw new CliError(`${join(home, path)} is no secret of a mesh: there is more in its home than belongs there`);
      }
      files[path] = bytes.toString('base64');
    }
  };
  await walk('');
  return files;
}

/** Throws CliError, before anything is written, when another file is there and `force` is not set. Returns what it wrote. */
export async function writeSecrets(home: string, files: SecretFiles, force: boolean): Promise<string[]> {
  const fresh: [string, Buffer][] = [];
  for (const [path, text] of Object.entries(files)) {
    const file = join(home, path);
    if (normalize(path) !== path || path.startsWith('..') || path.startsWith(sep)) {
      throw new CliError(`the backup has a file outside of the home of a mesh: ${path}`, EXIT.refused);
    }
    const bytes = Buffer.from(text, 'base64');
    const there = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (there?.equals(bytes) === true) continue;
    if (there !== null && !force) {
      throw new CliError(`${file} is there already, and another one: --force replaces the secrets of this mesh`);
    }
    fresh.push([file, bytes]);
  }
  for (const [file, bytes] of fresh) {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, bytes, { mode: 0o600 });
  }
  return fresh.map(([file]) => file);
}
