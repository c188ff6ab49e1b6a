// Istio's WasmPlugins as they are applied: what a URL stands for is fetched, verified and stored here, once, and the resource
// gets its digest. Proxies fetch nothing by itself. Files are read by the command line, never here.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '../bus/digest.ts';
import type { ConfigState } from '../bus/types.ts';
import type { WasmPluginSpec } from '../core/config/kinds/wasm-plugin.ts';
import { MODULE_DIGEST } from '../core/config/modules.ts';
import { type Problem, type Resource, resourceKey } from '../core/config/resource.ts';
import { type Logins, NO_LOGINS, parseLogins } from '../plugins/oci/credentials.ts';
import { pullImage } from '../plugins/oci/image.ts';
import { parseReference } from '../plugins/oci/reference.ts';
import { fetchModule } from '../plugins/source/address.ts';
import { StepFailed } from '../plugins/step.ts';
import { checkFileModule } from './file-module.ts';
import type { Modules } from './modules.ts';
import { MODULE_UNREACHABLE } from './refuse.ts';

export interface WasmPluginsOptions {
  readonly modules: Modules;
  /** Networks of one's own and this machine may be fetched from. */
  readonly allowPrivate: boolean;
  /** Where pull secrets lie: NAMESPACE/NAME.json, as docker login writes it. They never are part of the configuration. */
  readonly secretsDir: string;
}

export interface Resolved {
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
}

type WasmPlugin = Resource<WasmPluginSpec>;

interface Fetched {
  readonly bytes: Uint8Array;
  /** Of the image; null: it is none. */
  readonly manifest: string | null;
}

/** As many at a time. */
const ABREAST = 4;

export class WasmPlugins {
  readonly #options: WasmPluginsOptions;

  constructor(options: WasmPluginsOptions) {
    this.#options = options;
  }

  /**
   * The resources with the digests of their modules. `files`: what the command line has stored, by the URL that names it.
   * Without `store` nothing is written: what is fetched is checked and dropped, and its resource goes without a digest.
   */
  async resolve(
    resources: readonly Resource[],
    state: ConfigState,
    files: Readonly<Record<string, string>>,
    store: boolean,
  ): Promise<Resolved> {
    const result = [...resources];
    const problems: Problem[] = [];
    const waiting = resources.flatMap((resource, index) => (resource.kind === 'WasmPlugin' ? [index] : []));
    const work = async (): Promise<void> => {
      for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
        const plugin = resources[index] as WasmPlugin;
        try {
          const before = state.resources.get(resourceKey(plugin)) as WasmPlugin | undefined;
          result[index] = withDigest(plugin, await this.#digest(plugin, before ?? null, files, store));
        } catch (error) {
          if (!(error instanceof StepFailed)) throw error;
          problems.push(problemOf(plugin, error));
        }
      }
    };
    await Promise.all(Array.from({ length: ABREAST }, work));
    return { resources: result, problems };
  }

  /** Null: not known, and not to be found out now. */
  async #digest(
    plugin: WasmPlugin,
    before: WasmPlugin | null,
    files: Readonly<Record<string, string>>,
    store: boolean,
  ): Promise<string | null> {
    const { modules } = this.#options;
    const { spec } = plugin;
    const known = before?.metadata.annotations?.[MODULE_DIGEST];
    const kept = known !== undefined && sameModule(spec, before!.spec) && (await modules.has(known)) ? known : null;
    if (spec.url.startsWith('file:')) {
      const digest = files[spec.url] ?? kept;
      if (digest === undefined || digest === null) {
        const why = `${spec.url} is a file: it is read where \`mesh apply -f\` runs, not by the control plane`;
        throw new StepFailed('fetch', 'usage', why);
      }
      checkFileModule(spec, digest, null);
      return digest;
    }
    if (kept !== null && !alwaysPulled(spec)) return kept;
    const { bytes, manifest } = await this.#fetch(plugin);
    const digest = digestOf(bytes);
    if (spec.sha256 && ![digest, manifest].includes(`sha256:${spec.sha256}`)) {
      const found = manifest === null ? digest : `${digest} in the image ${manifest}`;
      throw new StepFailed('verify', 'refused', `${spec.url} has the ${found}, not ${spec.sha256}`);
    }
    const refusal = await modules.refusal(bytes);
    if (refusal !== null) throw new StepFailed('check', 'refused', `${spec.url} cannot run: ${refusal}`);
    if (!store) return kept === digest ? digest : null;
    await modules.put(digest, bytes, 'where a WasmPlugin says');
    return digest;
  }

  async #fetch(plugin: WasmPlugin): Promise<Fetched> {
    const { url, verificationKey } = plugin.spec;
    const { allowPrivate } = this.#options;
    const key = verificationKey || undefined;
    if (/^https?:\/\//i.test(url)) {
      return { bytes: await fetchModule(url, { allowPrivate, verificationKey: key }), manifest: null };
    }
    const reference = url.replace(/^oci:\/\//i, '');
    const logins = await this.#logins(plugin);
    const { module, digest } = await pullImage(reference, { allowPrivate, logins, verificationKey: key });
    return { bytes: module, manifest: digest };
  }

  async #logins({ metadata, spec }: WasmPlugin): Promise<Logins> {
    const { imagePullSecret } = spec;
    if (!imagePullSecret) return NO_LOGINS;
    if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(imagePullSecret)) {
      throw new StepFailed('fetch', 'usage', `${JSON.stringify(imagePullSecret)} is no name of a secret`);
    }
    const file = join(this.#options.secretsDir, metadata.namespace, `${imagePullSecret}.json`);
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read: ${error.message}`;
      throw new StepFailed(
        'fetch',
        'usage',
        `the imagePullSecret ${imagePullSecret} is the file ${file}, which ${why}`,
      );
    });
    return parseLogins(text, `the imagePullSecret ${imagePullSecret}`);
  }
}

/** As Istio has it: unless it is said otherwise, what is called 'latest' may have changed. */
function alwaysPulled({ url, sha256, imagePullPolicy }: WasmPluginSpec): boolean {
  if (imagePullPolicy === 'Always') return true;
  if (imagePullPolicy === 'IfNotPresent' || sha256 || /^https?:\/\//i.test(url)) return false;
  const { tag, digest } = parseReference(url.replace(/^oci:\/\//i, ''));
  return digest === undefined && tag === 'latest';
}

function sameModule(a: WasmPluginSpec, b: WasmPluginSpec): boolean {
  return (
    a.url === b.url && (a.sha256 ?? '') === (b.sha256 ?? '') && (a.verificationKey ?? '') === (b.verificationKey ?? '')
  );
}

function withDigest(plugin: WasmPlugin, digest: string | null): Resource {
  const annotations: Record<string, string> = { ...plugin.metadata.annotations };
  delete annotations[MODULE_DIGEST];
  if (digest !== null) annotations[MODULE_DIGEST] = digest;
  const { annotations: _, ...metadata } = plugin.metadata;
  const some = Object.keys(annotations).length > 0;
  return Object.freeze({
    ...plugin,
    metadata: Object.freeze({ ...metadata, ...(some && { annotations: Object.freeze(annotations) }) }),
  });
}

function problemOf(plugin: WasmPlugin, { step, fault, message }: StepFailed): Problem {
  return {
    severity: 'error',
    code: fault === 'unreachable' ? MODULE_UNREACHABLE : 'module',
    message: `${step}: ${message}`,
    resource: resourceKey(plugin),
    pointer: '/spec/url',
  };
}
