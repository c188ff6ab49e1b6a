// Where a package was built, as Sigstore vouches for it: the attestations of the registry are of this very tarball, their
// certificate is of the trust root, and the repository that it names is the one that may build this package.
import { verify } from 'sigstore';
import { StepFailed } from '../step.ts';
import type { PackageVersion } from './package-version.ts';
import { publicKey, registryKeys } from './signature.ts';
import { type RegistryFetcher, Unproven } from './unproven.ts';

export interface ProvenanceOptions {
  /** Repositories that may have built it: 'github.com/acme/*'. None: the one that the package names. */
  readonly sources: readonly string[];
  /** Of another Sigstore than the public one: where its TUF repository is, the first root of it, and where both are kept. */
  readonly trustRoot?: { readonly mirror: string; readonly root: string; readonly cache: string };
}

interface Attestation {
  readonly predicateType: string;
  readonly bundle: Parameters<typeof verify>[0];
}

interface Statement {
  readonly subject?: readonly { readonly name?: string; readonly digest?: { readonly sha512?: string } }[];
}

const PROVENANCE = /^https:\/\/slsa\.dev\/provenance\//;
const MOST_ATTESTATIONS = 10;
/** Who may say that a workflow of a host ran. */
const ISSUERS: Readonly<Record<string, string>> = {
  'https://token.actions.githubusercontent.com': 'github.com',
  'https://gitlab.com': 'gitlab.com',
};

/** The workflow that built it. Throws Unproven when there is no provenance, StepFailed (verify, refused) when it is false. */
export async function verifyProvenance(
  found: PackageVersion,
  integrity: string,
  options: ProvenanceOptions,
  registry: RegistryFetcher,
): Promise<string> {
  const id = `${found.name}@${found.version}`;
  if (found.dist.attestations === undefined) throw new Unproven(`${id} does not say where it was built`);
  const document = (await registry.get(`-/npm/v1/attestations/${id.replace('/', '%2f')}`)) as {
    attestations?: unknown;
  } | null;
  const attestations = Array.isArray(document?.attestations) ? (document.attestations as Attestation[]) : [];
  if (attestations.length > MOST_ATTESTATIONS) throw refused(id, `are more than ${MOST_ATTESTATIONS}`);
  let workflow: string | null = null;
  for (const attestation of attestations) {
    checkSubject(id, found, integrity, attestation);
    const identity = await verifyBundle(id, attestation, options, registry);
    if (PROVENANCE.test(attestation.predicateType)) workflow = identity;
  }
  if (workflow === null) throw new Unproven(`${id} has no attestation of where it was built`);
  checkRepository(id, workflow, found, options.sources);
  return workflow;
}

function checkSubject(id: string, { name, version }: PackageVersion, integrity: string, { bundle }: Attestation): void {
  const payload = bundle?.dsseEnvelope?.payload;
  if (payload === undefined) throw refused(id, 'are no signed envelopes');
  let statement: Statement;
  try {
    statement = JSON.parse(Buffer.from(payload, 'base64').toString('utf8'));
  } catch (error) {
    throw refused(id, `hold no statement: ${(error as Error).message}`);
  }
  const [subject] = statement.subject ?? [];
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  if (subject?.name !== purl) throw refused(id, `are of another package (${subject?.name})`);
  const sha512 = /sha512-(\S+)/.exec(integrity)?.[1] ?? '';
  if (subject.digest?.sha512 !== Buffer.from(sha512, 'base64').toString('hex'))
    throw refused(id, 'are of another tarball');
}

/** Whose certificate signed it; null for one that a key of the registry signed. */
async function verifyBundle(
  id: string,
  { bundle }: Attestation,
  { trustRoot }: ProvenanceOptions,
  registry: RegistryFetcher,
): Promise<string | null> {
  const keyid = bundle.dsseEnvelope?.signatures[0]?.keyid;
  let pem: string | undefined;
  if (keyid) {
    const key = (await registryKeys(registry)).find((each) => each.keyid === keyid);
    if (key === undefined) throw refused(id, `are signed by a key that the registry does not publish (${keyid})`);
    pem = publicKey(key).export({ type: 'spki', format: 'pem' }) as string;
  }
  let signer: Awaited<ReturnType<typeof verify>>;
  try {
    signer = await verify(bundle, {
      tufMirrorURL: trustRoot?.mirror,
      tufRootPath: trustRoot?.root,
      tufCachePath: trustRoot?.cache,
      keySelector: pem === undefined ? undefined : () => pem,
    });
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    // Without Sigstore's roots nothing is known about it.
    if (name === 'TUFError' || code?.startsWith('TUF_'))
      throw new Unproven(`Sigstore's roots cannot be had (${message})`);
    throw refused(id, `cannot be verified: ${message}`);
  }
  if (keyid) return null;
  const { subjectAlternativeName, extensions } = signer.identity ?? {};
  const host = ISSUERS[extensions?.issuer ?? ''];
  if (
    subjectAlternativeName === undefined ||
    host === undefined ||
    !subjectAlternativeName.startsWith(`https://${host}/`)
  ) {
    throw refused(
      id,
      `are of ${subjectAlternativeName ?? 'nobody'}, as ${extensions?.issuer ?? 'nobody'} says, who builds no packages`,
    );
  }
  return subjectAlternativeName;
}

function checkRepository(id: string, workflow: string, found: PackageVersion, sources: readonly string[]): void {
  // 'https://github.com/acme/x/.github/workflows/release.yml@refs/tags/v1', or with '//' before the file on gitlab.com.
  const built = /^https:\/\/([^/]+(?:\/[^/@]+)+?)(?:\/\/|\/\.github\/)/.exec(workflow)?.[1];
  if (built === undefined) throw refused(id, `name no repository (${workflow})`);
  if (sources.length > 0) {
    if (sources.some((source) => fits(source, built))) return;
    throw refused(
      id,
      `say that it was built by ${built}, which is none of the allowed sources (${sources.join(', ')})`,
    );
  }
  const { repository } = found;
  const url = typeof repository === 'string' ? repository : (repository as { url?: string } | undefined)?.url;
  const claimed = url
    ?.replace(/^git\+/, '')
    .replace(/^\w+:\/\/([^@/]*@)?/, '')
    .replace(/\.git$/, '')
    .replace(/#.*$/, '');
  if (claimed?.toLowerCase() === built.toLowerCase()) return;
  throw refused(id, `say that it was built by ${built}, but its package names ${claimed ?? 'no repository'}`);
}

/** 'github.com/acme/*' fits all repositories of acme. */
function fits(source: string, repository: string): boolean {
  const wanted = source.replace(/^https:\/\//, '').toLowerCase();
  const built = repository.toLowerCase();
  return wanted.endsWith('/*') ? built.startsWith(wanted.slice(0, -1)) : built === wanted;
}

function refused(id: string, why: string): StepFailed {
  return new StepFailed('verify', 'refused', `the attestations of ${id} ${why}`);
}
