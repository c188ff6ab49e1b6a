// A plugin as it was found somewhere: its module, its manifest, and the schema of its configuration.
import { decodeManifest, ManifestError, type PluginManifest } from '../manifest.ts';
import { StepFailed } from '../step.ts';

export interface PluginPackage {
  /** Of the package, or the module's file name. */
  readonly name: string;
  readonly version: string | undefined;
  readonly description: string | undefined;
  readonly manifest: PluginManifest;
  readonly module: Uint8Array;
  /** JSON Schema; undefined: there is none. */
  readonly schema: unknown;
  /** What it says about how it was made and where, for people. */
  readonly facts: { readonly license?: string; readonly homepage?: string; readonly repository?: string };
}

/** Where it came from, as the lockfile and the resource say it. */
export interface Origin {
  /** 'npm:@acme/x@1.2.0', 'file:./x', 'oci://host/x@sha256:...', 'https://...#sha256=...' */
  readonly source: string;
  /** The tarball's or module's address, if it has another one. */
  readonly resolved?: string;
  /** 'sha512-...' of the tarball. */
  readonly integrity?: string;
  /** Who signed for it, and what was checked: a word or a sentence each. */
  readonly signature?: string;
  readonly provenance?: string;
}

export interface FoundPlugin {
  readonly plugin: PluginPackage;
  readonly origin: Origin;
}

/** What npm would run when a package is installed. Nothing here does, so such a package cannot work as its author meant. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'];

/** Bytes of a file of the package by its path; null when it has none. */
export type ReadFile = (path: string) => Promise<Uint8Array | null>;

/** Throws StepFailed (check, refused). `where` names the package in errors. */
export async function readPackage(where: string, read: ReadFile): Promise<PluginPackage> {
  const refuse = (why: string): StepFailed => new StepFailed('check', 'refused', `${where}: ${why}`);
  const packageText = await read('package.json');
  if (packageText === null) throw refuse('it has no package.json');
  const packageJson = parseJson(packageText, (why) => refuse(`package.json is no JSON: ${why}`));
  const manifest = decode(packageJson, refuse);
  const { name, version, description, scripts, license, homepage, repository } = packageJson as Record<string, unknown>;
  const script = INSTALL_SCRIPTS.find((key) => (scripts as Record<string, unknown> | undefined)?.[key] !== undefined);
  if (script !== undefined)
    throw refuse(`it has the install script "${script}"; a plugin runs nothing when it is installed`);
  const module = await read(manifest.wasm);
  if (module === null)
    throw refuse(`there is no ${manifest.wasm}, which mesh.plugin.wasm names: build it first (mesh plugin build)`);
  let schema: unknown;
  if (manifest.schema !== undefined) {
    const { schema: file } = manifest;
    const schemaText = await read(file);
    if (schemaText === null) throw refuse(`there is no ${file}, which mesh.plugin.schema names`);
    schema = parseJson(schemaText, (why) => refuse(`${file} is no JSON: ${why}`));
  }
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value.slice(0, 500) : undefined);
  return {
    name: text(name) ?? where,
    version: text(version),
    description: text(description),
    manifest,
    module,
    schema,
    facts: {
      license: text(license),
      homepage: text(homepage),
      repository: text(repository) ?? text((repository as { url?: unknown } | undefined)?.url),
    },
  };
}

/** A module without a package. `name` is its file's. */
export function bareModule(name: string, module: Uint8Array): PluginPackage {
  const plugin = { wasm: 'module.wasm' };
  return {
    name,
    version: undefined,
    description: undefined,
    manifest: decodeManifest({ mesh: { plugin } }),
    module,
    schema: undefined,
    facts: {},
  };
}

function decode(packageJson: unknown, refuse: (why: string) => StepFailed): PluginManifest {
  try {
    return decodeManifest(packageJson);
  } catch (error) {
    if (error instanceof ManifestError) throw refuse(error.message);
    throw error;
  }
}

function parseJson(bytes: Uint8Array, refuse: (why: string) => StepFailed): unknown {
  try {
    return JSON.parse(
      Buffer.from(bytes)
        .toString('utf8')
        .replace(/^\uFEFF/, ''),
    );
  } catch (error) {
    throw refuse((error as Error).message);
  }
}
