// Finds a plugin wherever its name, path or address says it is. Each place loads its own client.
import { digestOf } from '../../bus/digest.ts';
import type { Step } from '../step.ts';
import { StepFailed } from '../step.ts';
import type { TrustPolicy } from '../trust/verify.ts';
import { findLocal } from './local.ts';
import { bareModule, type FoundPlugin } from './package.ts';
import { parseSource } from './spec.ts';

export interface FindOptions {
  /** Of packages from registries. */
  readonly policy: TrustPolicy;
  /** Whose .npmrc counts. */
  readonly folder: string;
  /** What happens, for people. */
  tell(step: Step, what: string): void;
}

/** Throws StepFailed. */
export async function findPlugin(text: string, { policy, folder, tell }: FindOptions): Promise<FoundPlugin> {
  const source = parseSource(text);
  if (source.from === 'npm') {
    const { findInRegistry } = await import('./npm.ts');
    return findInRegistry(source, policy, { folder, tell });
  }
  if (source.from === 'oci') {
    const [{ pullImage }, { dockerLogins }] = await Promise.all([
      import('../oci/image.ts'),
      import('../oci/credentials.ts'),
    ]);
    const image = await pullImage(source.reference, {
      allowPrivate: true,
      logins: await dockerLogins(),
      verificationKey: policy.key,
    });
    tell('fetch', `${image.module.length} bytes from ${image.source}`);
    const name = lastPart(image.source.replace(/@.*$/, ''));
    return { plugin: bareModule(name, image.module), origin: { source: image.source, signature: image.signature } };
  }
  if (source.from === 'url') {
    const { fetchModule } = await import('./address.ts');
    const module = await fetchModule(source.url, { allowPrivate: true, verificationKey: policy.key });
    tell('fetch', `${module.length} bytes from ${source.url}`);
    const digest = digestOf(module);
    if (digest !== `sha256:${source.sha256}`) {
      throw new StepFailed('verify', 'refused', `${source.url} has the ${digest}, not the given one`);
    }
    tell('verify', digest);
    const name = lastPart(new URL(source.url).pathname);
    return { plugin: bareModule(name, module), origin: { source: `${source.url}#sha256=${source.sha256}` } };
  }
  const found = await findLocal(source.path);
  tell('resolve', describe(found));
  return found;
}

function lastPart(path: string): string {
  return path.split('/').filter(Boolean).at(-1) ?? 'plugin';
}

function describe({ plugin: { name, version }, origin: { source } }: FoundPlugin): string {
  return `${name}${version === undefined ? '' : ` ${version}`} (${source})`;
}
