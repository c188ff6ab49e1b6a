// Whether a package is what its registry and its makers vouch for, under a policy. What is false is always refused; what is
// missing only where the policy enforces it.
import { StepFailed } from '../step.ts';
import type { PackageVersion } from './package-version.ts';
import { type ProvenanceOptions, verifyProvenance } from './provenance.ts';
import { verifySignature } from './signature.ts';
import { type RegistryFetcher, Unproven } from './unproven.ts';

export interface TrustPolicy extends ProvenanceOptions {
  /** off: integrity alone. warn: what is missing is told. enforce: signature and provenance have to be there. */
  readonly mode: 'off' | 'warn' | 'enforce';
  /** PEM: who has to have signed an image, or a module by its address. Undefined: nobody. */
  readonly key?: string;
}

export interface Assurance {
  /** For people, in one line. */
  readonly told: string;
  readonly signature?: string;
  /** Where it was built: 'https://github.com/acme/x/.github/workflows/release.yml@refs/heads/main' */
  readonly provenance?: string;
}

/** Throws StepFailed (verify). `integrity`: of the tarball as it was fetched. */
export async function verifyPackage(
  found: PackageVersion,
  integrity: string,
  policy: TrustPolicy,
  registry: RegistryFetcher,
): Promise<Assurance> {
  if (policy.mode === 'off') return { told: 'integrity (signature and provenance are not checked)' };
  const told = ['integrity'];
  const unproven = async (work: () => Promise<string>, what: string): Promise<string | undefined> => {
    try {
      const proof = await work();
      told.push(`${what} (${proof})`);
      return proof;
    } catch (error) {
      if (!(error instanceof Unproven)) throw error;
      if (policy.mode === 'enforce')
        throw new StepFailed('verify', 'refused', `${error.message}, and the policy is enforce`);
      told.push(`no ${what}: ${error.message}`);
      return undefined;
    }
  };
  const signature = await unproven(() => verifySignature(found, integrity, registry), 'signature');
  const provenance = await unproven(() => verifyProvenance(found, integrity, policy, registry), 'provenance');
  return { told: told.join('; '), signature, provenance };
}
