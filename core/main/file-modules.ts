// Modules beside configuration that comes from a folder: any .wasm file of the folder by its digest, and the files that
// WasmPlugins name by file: URLs.

import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isKind } from '../config/is-kind.ts';
import type { WasmPluginSpec } from '../config/kinds/wasm-plugin.ts';
import { MODULE_DIGEST, moduleDigest } from '../config/modules.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import { digestOf } from './module-folder.ts';

/** More than this no proxy would take. */
const MAX_BYTES = 64 * 1024 * 1024;

export interface Resolved {
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
  /** Files by the digests of what they hold. */
  readonly named: ReadonlyMap<string, string>;
}

/** Gives each WasmPlugin with a file: URL the digest of what is there now. */
export async function resolveFileUrls(resources: readonly Resource[]): Promise<Resolved> {
  const problems: Problem[] = [];
  const named = new Map<string, string>();
  const resolved = await Promise.all(
    resources.map(async (resource) => {
      if (!isKind(resource, 'WasmPlugin') || moduleDigest(resource) !== null) return resource;
      if (!/^file:/i.test(resource.spec.url)) return resource;
      try {
        const { file, digest } = await fileOf(resource.spec);
        named.set(digest, file);
        const annotations = { ...resource.metadata.annotations, [MODULE_DIGEST]: digest };
        return { ...resource, metadata: { ...resource.metadata, annotations } };
      } catch (error) {
        const { message } = error as Error;
        problems.push({
          severity: 'error',
          code: 'module',
          message,
          resource: resourceKey(resource),
          pointer: '/spec/url',
        });
        return resource;
      }
    }),
  );
  return { resources: resolved, problems, named };
}

async function fileOf({ url, sha256 }: WasmPluginSpec): Promise<{ file: string; digest: string }> {
  const file = fileURLToPath(url);
  const bytes = await readBounded(file);
  const digest = digestOf(bytes);
  if (sha256 && digest !== `sha256:${sha256}`) throw new Error(`${file} is ${digest}, not sha256:${sha256}`);
  return { file, digest };
}

/** The bytes of the file that has this digest, or null. */
export async function findModule(digest: string, files: Iterable<string>): Promise<Uint8Array | null> {
  for (const file of files) {
    const { size } = await stat(file);
    if (size > MAX_BYTES) continue;
    const bytes = await readFile(file);
    if (digestOf(bytes) === digest) return bytes;
  }
  return null;
}

async function readBounded(file: string): Promise<Uint8Array> {
  const { size } = await stat(file);
  if (size > MAX_BYTES) throw new Error(`${file} has ${size} bytes, more than ${MAX_BYTES}`);
  return readFile(file);
}
