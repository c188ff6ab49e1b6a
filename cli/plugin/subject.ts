// What is tried out: a module's file, a plugin's folder with its default configuration, or a plugin that is installed in the
// mesh, with what it runs with there.
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { PluginKind } from '../../core/wasm/trial/trial.ts';
import { configurationBytes } from '../../plugins/configuration.ts';
import type { PluginResource } from '../../plugins/install/resource.ts';
import { Api } from '../api.ts';
import { CliError, EXIT } from '../exit.ts';
import { readWasm } from '../wasm-file.ts';
import { openProject } from './project.ts';

export interface Subject {
  /** As logs name it. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly rootId: string;
  readonly vmId: string;
  /** Undefined: by its callbacks. */
  readonly kind: PluginKind | undefined;
  readonly configuration: Uint8Array;
  readonly vmConfiguration: Uint8Array;
}

const NOTHING = Buffer.alloc(0);
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A file or folder when there is one of this name, or when it cannot be a plugin's. Throws CliError. */
export async function readSubject(word: string, namespace: string): Promise<Subject> {
  if (existsSync(join(word, 'package.json'))) return ofFolder(word);
  if (existsSync(word) || !NAME.test(word)) {
    const { bytes } = await readWasm(word);
    const name = basename(word).replace(/\.wasm$/, '');
    return { name, bytes, rootId: '', vmId: '', kind: undefined, configuration: NOTHING, vmConfiguration: NOTHING };
  }
  const api = await Api.open().catch((error: CliError) => {
    throw new CliError(`there is no file ${word}, and no plugin can be looked up: ${error.message}`, error.exitCode);
  });
  const { items } = await api.resources({ kind: 'Plugin', namespace, name: word });
  const [plugin] = items as PluginResource[];
  if (plugin === undefined) throw new CliError(`there is neither a file nor an installed plugin ${word}`, EXIT.usage);
  const { digest, rootId = '', vmId = '', type, config, vmConfig } = plugin.spec;
  const bytes = await api.module(digest);
  if (bytes === null) throw new CliError(`the mesh has no module ${digest}, which plugin ${word} runs`);
  return {
    name: word,
    bytes,
    rootId,
    vmId,
    kind: type,
    configuration: configurationBytes(config),
    vmConfiguration: Buffer.from(vmConfig?.configuration ?? ''),
  };
}

async function ofFolder(folder: string): Promise<Subject> {
  const { name, wasm, manifest } = await openProject(folder);
  const { bytes } = await readWasm(wasm);
  const { rootId = '', type: kind, defaultConfig } = manifest;
  return {
    name,
    bytes,
    rootId,
    vmId: '',
    kind,
    configuration: configurationBytes(defaultConfig),
    vmConfiguration: NOTHING,
  };
}
