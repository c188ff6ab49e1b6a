// Tells that something below a folder has changed: a file that is written, replaced by a rename or gone, a folder, a mount.

import { relative } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';

/** Kubernetes mounts a ConfigMap as links through this link, and points it at another folder when the ConfigMap changes. */
const MOUNT = '..data';
const LEFT_OUT = /^(\.|node_modules$)/;

/** Resolves when it watches. `failed`: the system does not watch all of it, or no longer; told once. */
export async function watchFolder(
  dir: string,
  changed: () => void,
  failed: (error: Error) => void,
): Promise<FSWatcher> {
  const ignored = (path: string): boolean => relative(dir, path) !== MOUNT && isLeftOut(dir, path);
  const watcher = watch(dir, { ignored, ignoreInitial: true, persistent: false });
  let told = false;
  watcher.on('all', changed).on('error', (error) => {
    if (!told) failed(error as Error);
    told = true;
  });
  await new Promise<void>((ready) => watcher.once('ready', ready));
  return watcher;
}

/** Hidden files and folders, and packages. */
export function isLeftOut(dir: string, path: string): boolean {
  return relative(dir, path)
    .split(/[/\\]/)
    .some((part) => LEFT_OUT.test(part));
}
