// Plugins on this machine: a folder with a package, a package's tarball, or a module alone.
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MOST_MODULE_BYTES } from '../../core/wasm/meter/meter.ts';
import { StepFailed } from '../step.ts';
import { CannotRead, readBounded } from './bounded-read.ts';
import { integrityOf } from './integrity.ts';
import { bareModule, type FoundPlugin, readPackage } from './package.ts';
import { newerSource } from './stale.ts';
import { unpack } from './tarball.ts';

export const MOST_TARBALL_BYTES = 64 * 1024 * 1024;

/** Throws StepFailed. */
export async function findLocal(path: string): Promise<FoundPlugin> {
  const source = `file:${path}`;
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read: ${error.message}`;
    throw new StepFailed('resolve', 'missing', `${path} ${why}`);
  });
  if (found.isDirectory()) {
    const plugin = await readPackage(path, (file) => inFolder(path, file));
    const { wasm } = plugin.manifest;
    const newer = await newerSource(path, wasm);
    if (newer !== null) {
      const why = `${newer} was edited after ${wasm} was built from it: build it first (mesh plugin build ${path})`;
      throw new StepFailed('check', 'refused', `${path}: ${why}`);
    }
    return { plugin, origin: { source } };
  }
  if (!/\.(tgz|tar\.gz)$/i.test(path)) {
    return { plugin: bareModule(basename(path), await whole(path, MOST_MODULE_BYTES)), origin: { source } };
  }
  const tarball = await whole(path, MOST_TARBALL_BYTES);
  return { plugin: await fromTarball(path, tarball), origin: { source, integrity: integrityOf(tarball) } };
}

/** `where` names the package in errors. Throws StepFailed. */
export async function fromTarball(where: string, tarball: Uint8Array): ReturnType<typeof readPackage> {
  const files = await unpack(tarball, where);
  return readPackage(where, async (file) => files.get(file) ?? null);
}

async function inFolder(folder: string, file: string): Promise<Uint8Array | null> {
  try {
    return await whole(join(folder, file), MOST_MODULE_BYTES);
  } catch (error) {
    if (error instanceof CannotRead && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function whole(path: string, most: number): Promise<Uint8Array> {
  const { bytes, size } = await readBounded(path, most + 1);
  if (size <= most) return bytes;
  throw new StepFailed('check', 'refused', `${path} has ${size} bytes; at most ${most / 1024 / 1024} MiB are taken`);
}
