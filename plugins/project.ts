// A plugin's folder as its author has it: package.json with the manifest, and where the module is built to.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { decodeManifest, ManifestError, type PluginManifest, resourceName } from './manifest.ts';

export interface Project {
  readonly folder: string;
  readonly manifest: PluginManifest;
  /** What its Plugin resource is called. */
  readonly name: string;
  readonly version: string | undefined;
  /** Path of the module. */
  readonly wasm: string;
  /** Its configuration's schema, parsed; undefined: it takes any. */
  readonly schema: unknown;
}

/** Throws ManifestError, one line that names the file. */
export async function readProject(folder: string): Promise<Project> {
  const file = join(folder, 'package.json');
  const parsed = await readJson(file, 'a plugin’s folder has one with a field "mesh"; `mesh plugin new` writes it');
  let manifest: PluginManifest;
  try {
    manifest = decodeManifest(parsed);
  } catch (error) {
    throw error instanceof ManifestError ? new ManifestError(`${file}: ${error.message}`) : error;
  }
  const { name, version } = parsed as { name?: unknown; version?: unknown };
  const schema =
    manifest.schema === undefined ? undefined : await readJson(join(folder, manifest.schema), 'the manifest names it');
  return {
    folder,
    manifest,
    name: manifest.name ?? resourceName(typeof name === 'string' ? name : 'plugin'),
    version: typeof version === 'string' ? version : undefined,
    wasm: join(folder, manifest.wasm),
    schema,
  };
}

async function readJson(file: string, whyNeeded: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ManifestError(
      code === 'ENOENT' ? `there is no ${file}: ${whyNeeded}` : `cannot read ${file}: ${message}`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ManifestError(`${file} is no JSON: ${(error as Error).message}`);
  }
}
