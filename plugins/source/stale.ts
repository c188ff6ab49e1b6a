// Whether a plugin's folder was edited after its module was built: what would be installed is not what its author sees.
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';

const SOURCES = ['.ts', '.rs', '.go'];
const MANIFESTS = ['Cargo.toml', 'go.mod'];
const LEFT_OUT = /^(node_modules|build|target|tests?|\..*)$/;
/** Files and folders that are looked at: more than a plugin has. */
const MOST = 5_000;

/** The source that is newer than the module, by its path within the folder; null: there is none, or no module. */
export async function newerSource(folder: string, module: string): Promise<string | null> {
  const built = await stat(join(folder, module)).catch(() => null);
  if (built === null) return null;
  const waiting = [''];
  let looked = 0;
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const entries: Dirent[] = await readdir(join(folder, at), { withFileTypes: true });
    for (const entry of entries) {
      if (LEFT_OUT.test(entry.name) || ++looked > MOST) continue;
      const path = join(at, entry.name);
      if (entry.isDirectory()) waiting.push(path);
      else if (isSource(entry.name)) {
        // A file that goes while it is looked at is no newer source.
        const found = await stat(join(folder, path)).catch(() => null);
        if (found !== null && found.mtimeMs > built.mtimeMs) return path;
      }
    }
  }
  return null;
}

function isSource(name: string): boolean {
  if (/\.(test|spec|config)\.ts$|\.d\.ts$|_test\.go$/.test(name)) return false;
  return SOURCES.includes(extname(name)) || MANIFESTS.includes(name);
}
