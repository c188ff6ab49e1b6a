// Plugins from an npm registry: a version is chosen, its tarball fetched and verified. Scripts never run; an answer that does
// not come is never taken for "there is none".
import pacote from 'pacote';
import { type Step, StepFailed } from '../step.ts';
import type { PackageVersion } from '../trust/package-version.ts';
import { type Assurance, type TrustPolicy, verifyPackage } from '../trust/verify.ts';
import { integrityOf } from './integrity.ts';
import { fromTarball, MOST_TARBALL_BYTES } from './local.ts';
import { type NpmOptions, readNpmOptions } from './npmrc.ts';
import type { FoundPlugin } from './package.ts';
import { communityName, type PluginSource } from './spec.ts';

export type NpmSource = Extract<PluginSource, { from: 'npm' }>;

export interface NpmPlace {
  /** Whose .npmrc counts. */
  readonly folder: string;
  tell(step: Step, what: string): void;
}

/** Throws StepFailed. */
export async function findInRegistry(source: NpmSource, policy: TrustPolicy, place: NpmPlace): Promise<FoundPlugin> {
  const options = await readNpmOptions(place.folder);
  const found = await resolveVersion(source, options);
  const { name, version, dist } = found;
  place.tell('resolve', `${name}@${version} from ${registryOf(name, options)}`);
  if (found.deprecated !== undefined) place.tell('resolve', `${name}@${version} is deprecated: ${found.deprecated}`);
  const { integrity } = dist;
  if (integrity === undefined || !integrity.includes('sha512-')) {
    throw new StepFailed('verify', 'refused', `the registry gives no sha512 integrity of ${name}@${version}`);
  }
  const tarball = await fetchTarball(found, integrity, options);
  place.tell('fetch', `${tarball.length} bytes from ${dist.tarball}`);
  if (!integrity.split(/\s+/).includes(integrityOf(tarball))) throw tampered(found);
  const fetcher = { get: (path: string) => readDocument(path, name, options) };
  const assurance: Assurance = await verifyPackage(found, integrity, policy, fetcher);
  place.tell('verify', assurance.told);
  const plugin = await fromTarball(`${name}@${version}`, tarball);
  if (plugin.name !== name || plugin.version !== version) {
    throw new StepFailed(
      'verify',
      'refused',
      `the tarball of ${name}@${version} is of ${plugin.name}@${plugin.version}`,
    );
  }
  const { signature, provenance } = assurance;
  const origin = { source: `npm:${name}@${version}`, resolved: dist.tarball, integrity, signature, provenance };
  return { plugin, origin };
}

/** Which version a name and a range stand for. Throws StepFailed (resolve). */
export async function resolveVersion(source: NpmSource, options: NpmOptions): Promise<PackageVersion> {
  const { name, range, bare } = source;
  try {
    return await manifestOf(name, range, options);
  } catch (error) {
    if (!isMissing(error)) throw explain(error, 'resolve', name, range, options);
    if (bare === null) throw explain(error, 'resolve', name, range, options);
  }
  // Named, never taken: anybody may publish under such a name.
  const other = communityName(bare);
  const none = `there is no official plugin ${JSON.stringify(bare)} (${name})`;
  let candidate: PackageVersion;
  try {
    candidate = await manifestOf(other, range, options);
  } catch (error) {
    const why = isMissing(error) ? '' : `; whether there is a ${other} is not known`;
    throw new StepFailed('resolve', 'missing', none + why);
  }
  throw new StepFailed(
    'resolve',
    'missing',
    `${none}; ${other}@${candidate.version} is of somebody else: to install it, give its full name, ${other}`,
  );
}

async function manifestOf(name: string, range: string, options: NpmOptions): Promise<PackageVersion> {
  // Without npm's cache: what it holds would stand in for a registry that does not answer.
  const found = await pacote.manifest(`${name}@${range === '' ? 'latest' : range}`, {
    ...(options as object),
    cache: undefined,
    fullMetadata: true,
  });
  return found as unknown as PackageVersion;
}

async function fetchTarball(found: PackageVersion, integrity: string, options: NpmOptions): Promise<Buffer> {
  const { name, version, dist } = found;
  try {
    return await bounded(`${name}@${version}`, { ...options, resolved: dist.tarball, integrity }, MOST_TARBALL_BYTES);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'EINTEGRITY') throw tampered(found);
    if (isMissing(error)) {
      const why = `${name}@${version} has disappeared: the registry names it, but its tarball is not there (${dist.tarball})`;
      throw new StepFailed('fetch', 'missing', why);
    }
    throw explain(error, 'fetch', name, version, options);
  }
}

const MOST_DOCUMENT_BYTES = 4 * 1024 * 1024;

/** A document of the registry where `name` is, by its path, such as its keys; null when the registry has none. Throws StepFailed. */
export async function readDocument(path: string, name: string, options: NpmOptions): Promise<unknown> {
  const url = new URL(path, registryOf(name, options)).href;
  try {
    const bytes = await bounded(url, { ...options, cache: undefined }, MOST_DOCUMENT_BYTES);
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (isMissing(error)) return null;
    if (error instanceof SyntaxError) throw new StepFailed('verify', 'unreachable', `${url} answers no JSON`);
    throw explain(error, 'verify', name, '', options);
  }
}

class TooLarge extends Error {}

async function bounded(spec: string, options: object, most: number): Promise<Buffer> {
  return pacote.tarball.stream(
    spec,
    (stream) =>
      new Promise<Buffer>((resolve, reject) => {
        const chunks: Buffer[] = [];
        let size = 0;
        stream.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size <= most) chunks.push(chunk);
          else {
            chunks.length = 0;
            const error = new TooLarge(`answers with more than ${most / 1024 / 1024} MiB`);
            reject(error);
            stream.destroy(error);
          }
        });
        stream.on('error', reject);
        stream.on('end', () => resolve(Buffer.concat(chunks)));
      }),
    options,
  );
}

/** Where a package's name leads, by its scope. */
export function registryOf(name: string, options: NpmOptions): string {
  const scope = /^(@[^/]+)\//.exec(name)?.[1];
  const own = scope === undefined ? undefined : options[`${scope}:registry`];
  return String(own ?? options.registry).replace(/\/?$/, '/');
}

function isMissing(error: unknown): boolean {
  return (error as { code?: string }).code === 'E404';
}

function tampered({ name, version, dist }: PackageVersion): StepFailed {
  const why = `the tarball of ${name}@${version} is not the one that the registry describes (${dist.integrity})`;
  return new StepFailed('verify', 'refused', why);
}

/** Any error of the registry's client in words, with what is known and what is not. */
function explain(error: unknown, step: Step, name: string, range: string, options: NpmOptions): StepFailed {
  if (error instanceof StepFailed) return error;
  const {
    code = '',
    statusCode,
    message,
    versions,
  } = error as Error & {
    code?: string;
    statusCode?: number;
    versions?: string[];
  };
  const registry = registryOf(name, options);
  if (error instanceof TooLarge) return new StepFailed('fetch', 'refused', `${registry} ${message}`);
  if (code === 'E404') return new StepFailed(step, 'missing', `there is no package ${name} in ${registry}`);
  if (code === 'ETARGET' || code === 'ENOVERSIONS') {
    const newest = versions?.slice(-5).join(', ');
    const others = newest ? `; the newest are ${newest}` : '';
    return new StepFailed(step, 'missing', `${name} has no version ${range || 'latest'} in ${registry}${others}`);
  }
  if (code.startsWith('EINVALID') || code === 'EUNSUPPORTEDPROTOCOL') return new StepFailed(step, 'usage', message);
  if (statusCode === 401 || statusCode === 403) {
    return new StepFailed(step, 'unreachable', `${registry} refuses access to ${name} (${statusCode}): see .npmrc`);
  }
  const why = statusCode === undefined ? `does not answer: ${reason(error)}` : `answers ${statusCode}`;
  return new StepFailed(
    step,
    'unreachable',
    `${registry} ${why}${name === '' ? '' : `; whether ${name} is there is not known`}`,
  );
}

function reason(error: unknown): string {
  const { message, code, errors } = error as AggregateError & { code?: string };
  return errors?.[0]?.message ?? (message || code) ?? String(error);
}
