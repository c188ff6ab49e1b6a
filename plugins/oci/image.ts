// The module of an image, in each of the four layouts in which they are pushed: a layer that is the module (wasm-to-oci and
// the CNCF's artifact), or plugin.wasm in the last layer of an ordinary image (OCI's or Docker's).

import { unpack } from '../source/tarball.ts';
import { StepFailed } from '../step.ts';
import { verifyImage } from './cosign.ts';
import { type ImageReference, imageName, parseReference } from './reference.ts';
import { type Descriptor, type Manifest, type OciOptions, Repository } from './registry.ts';

export interface Image {
  readonly module: Uint8Array;
  /** Of the manifest that its name stands for: 'sha256:...'. */
  readonly digest: string;
  /** With the digest: 'oci://host/repository@sha256:...'. */
  readonly source: string;
  /** Who signed it: 'the given key'. */
  readonly signature: string | undefined;
}

export interface ImageOptions extends OciOptions {
  /** PEM; undefined: nobody has to have signed it. */
  readonly verificationKey?: string;
}

const MODULE_LAYERS = ['application/vnd.module.wasm.content.layer.v1+wasm', 'application/wasm'];
const FILE = 'plugin.wasm';

/** `reference` without 'oci://'. Throws StepFailed. */
export async function pullImage(reference: string, options: ImageOptions): Promise<Image> {
  const named = parseReference(reference);
  const repository = new Repository(named, options);
  const found = await repository.manifest(named.digest ?? named.tag);
  if (found === null) throw new StepFailed('resolve', 'missing', `there is no image ${imageName(named)}`);
  const { digest } = found;
  if (options.verificationKey !== undefined) await verifyImage(repository, digest, named, options.verificationKey);
  const manifest = await single(repository, found.manifest, named);
  const module = await moduleOf(repository, manifest, named);
  const { host, repository: path } = named;
  const signature = options.verificationKey === undefined ? undefined : 'the given key';
  return { module, digest, source: `oci://${host}/${path}@${digest}`, signature };
}

/** Of an index, the manifest for WASM, or the first one. */
async function single(repository: Repository, manifest: Manifest, named: ImageReference): Promise<Manifest> {
  if (manifest.manifests === undefined) return manifest;
  const isWasm = ({ platform }: { platform?: { architecture?: string } }): boolean =>
    /wasm/.test(platform?.architecture ?? '');
  const chosen = manifest.manifests.find(isWasm) ?? manifest.manifests[0];
  const found = chosen === undefined ? null : await repository.manifest(chosen.digest);
  if (found === null || found.manifest.manifests !== undefined) {
    throw new StepFailed('fetch', 'refused', `${imageName(named)} is an index without an image`);
  }
  return found.manifest;
}

async function moduleOf(repository: Repository, { layers = [] }: Manifest, named: ImageReference): Promise<Uint8Array> {
  const direct = layers.find(({ mediaType }) => MODULE_LAYERS.includes(mediaType));
  if (direct !== undefined) return repository.blob(direct);
  const last = layers.at(-1) as Descriptor | undefined;
  if (last === undefined) throw new StepFailed('fetch', 'refused', `${imageName(named)} has no layers`);
  if (!/tar(\+gzip|\.gzip)?$/.test(last.mediaType)) {
    throw new StepFailed(
      'fetch',
      'refused',
      `${imageName(named)} has a last layer of the unknown type ${last.mediaType}`,
    );
  }
  const files = await unpack(await repository.blob(last), imageName(named), 0);
  const module = files.get(FILE);
  if (module === undefined)
    throw new StepFailed('fetch', 'refused', `${imageName(named)} has no ${FILE} in its last layer`);
  return module;
}
