// The mesh's certificate authority: signs a workload's key for who its user of NATS says that it is. READ FIRST in this room; what
// it signs with is read or made by files.ts, and certificates themselves are written by issuing.ts.
import type { Certificates, ProxyIdentity, SignedCertificate } from '../../bus/types.ts';
import { type AuthorityFiles, isMade, openIssuer } from './files.ts';
import { type Issuer, issueWorkload } from './issuing.ts';

export interface AuthorityOptions extends AuthorityFiles {
  readonly bus: Certificates;
  /** How long a certificate lives, in ms. Default 24 h. */
  readonly lifeMs?: number;
  /** Ms of the epoch. */
  readonly now?: () => number;
  onLog?(line: string): void;
}

/** As Istio's default. */
const TRUST_DOMAIN = 'cluster.local';
const LIFE_MS = 24 * 3_600_000;

/** What it signs with, and what the mesh trusts. */
interface Opened {
  readonly issuer: Issuer;
  readonly roots: string;
}

/**
 * Answers whoever asks for a certificate. An authority that is there is read at once, and one that is not is made when the first
 * certificate is asked for. Throws an Error in one sentence for files that are no authority, BusUnavailableError.
 */
export async function startAuthority(options: AuthorityOptions): Promise<void> {
  const { bus, lifeMs = LIFE_MS, now = Date.now, onLog } = options;
  let opened: Promise<Opened> | null = null;
  const open = (): Promise<Opened> => {
    opened ??= openAuthority(options, now()).catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  if (await isMade(options)) {
    const { issuer, roots } = await open();
    if (!isTrusted(issuer, roots)) onLog?.(`${strange(issuer)}: workloads get no certificates from this control plane`);
  }
  bus.answer(async (identity, csr) => {
    const { issuer, roots } = await open();
    if (!isTrusted(issuer, roots)) throw new Error(strange(issuer));
    return sign({ issuer, roots, identity, csr, lifeMs, now: now() });
  });
}

async function openAuthority(options: AuthorityOptions, now: number): Promise<Opened> {
  const issuer = await openIssuer(options, now);
  return { issuer, roots: await options.bus.trusted(issuer.root) };
}

function isTrusted({ root }: Issuer, roots: string): boolean {
  return roots.includes(root.trim());
}

function strange({ where }: Issuer): string {
  return `the authority of ${where} is not this mesh's, which trusts another root`;
}

interface Asked {
  readonly issuer: Issuer;
  readonly roots: string;
  readonly identity: ProxyIdentity;
  readonly csr: string;
  readonly lifeMs: number;
  readonly now: number;
}

async function sign({ issuer, roots, identity, csr, lifeMs, now }: Asked): Promise<SignedCertificate> {
  const { namespace, serviceAccount } = identity;
  const spiffe = `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`;
  const certificate = await issueWorkload({ issuer, csr, spiffe, lifeMs, now });
  return { chain: [certificate, ...issuer.chain].map((pem) => `${pem.trim()}\n`).join(''), roots };
}
