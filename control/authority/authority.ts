// The mesh's certificate authority: signs a workload's key for who its user of NATS says that it is. READ FIRST in this room; what
// it signs with is read or made by files.ts, and certificates themselves are written by issuing.ts.
import type { Certificates, SignedCertificate, Trust } from '../../bus/certificate-types.ts';
import type { ProxyIdentity } from '../../bus/types.ts';
import { fingerprintOf } from '../../core/config/pem.ts';
import { nodeMark, serialOf } from '../../core/config/serial.ts';
import { type AuthorityFiles, isMade, openIssuer, openNext } from './files.ts';
import { type Issuer, issueWorkload } from './issuing.ts';
import { keepTrust, keptTrust } from './kept-trust.ts';

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
/** Who was revoked gets none for so long: what it asked for before may still be waiting. */
const PAUSE_MS = 10_000;

/** What it signs with, and what the mesh trusts. */
export interface Opened {
  readonly issuer: Issuer;
  readonly trust: Trust;
}

export interface Authority {
  /** As it is now; made first where there is none. Throws as `startAuthority`. */
  open(): Promise<Opened>;
  /** Reads what it signs with, and what the mesh trusts, again: either has changed. */
  again(): void;
  /** How long a certificate lives. */
  readonly lifeMs: number;
}

/**
 * Answers whoever asks for a certificate. An authority that is there is read at once, and one that is not is made when the first
 * certificate is asked for. Throws an Error in one sentence for files that are no authority, BusUnavailableError.
 */
export async function startAuthority(options: AuthorityOptions): Promise<Authority> {
  const { bus, lifeMs = LIFE_MS, now = Date.now, onLog } = options;
  let opened: Promise<Opened> | null = null;
  const open = (): Promise<Opened> => {
    opened ??= openAuthority(options, now()).catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  const again = (): void => {
    opened = null;
  };
  bus.onTrust((version) => {
    opened?.then(({ trust }) => trust.version !== version && again()).catch(again);
  });
  if (await isMade(options)) {
    const { issuer, trust } = await open();
    if (!isTrusted(issuer, trust)) onLog?.(`${strange(issuer)}: workloads get no certificates from this control plane`);
  }
  bus.answer(async (identity, csr) => {
    const { issuer, trust } = await open();
    if (!isTrusted(issuer, trust)) throw new Error(strange(issuer));
    return sign({ issuer, trust, identity, csr, lifeMs, now: now() });
  });
  return { open, again, lifeMs };
}

/** Files of the user's own are what he says; of those that were made, the mesh says which. */
async function openAuthority(options: AuthorityOptions, now: number): Promise<Opened> {
  const first = await openIssuer(options, now);
  const { dir, own } = options;
  // A NATS that lost everything is told what stood, and not the root that was first.
  const kept = own === undefined ? await keptTrust(dir) : null;
  const trust = await options.bus.trusted(kept ?? { roots: first.root, signing: '', intermediate: '', revoked: {} });
  // Certificates are signed all the same.
  if (own === undefined) await keepTrust(dir, trust).catch((error: Error) => options.onLog?.(error.message));
  return { issuer: own === undefined ? await standing(options, first, trust, now) : first, trust };
}

/** Of those that were made here, or by another control plane. */
function standing(files: AuthorityFiles, first: Issuer, trust: Trust, now: number): Issuer | Promise<Issuer> {
  const { signing, intermediate } = trust;
  if (intermediate !== '') return openNext(files, intermediate, now);
  return signing === '' || signing === fingerprintOf(first.root) ? first : openNext(files, signing, now);
}

export function isTrusted({ root }: Issuer, { roots }: Trust): boolean {
  return roots.includes(root.trim());
}

function strange({ where }: Issuer): string {
  return `the authority of ${where} is not this mesh's, which trusts another root (\`mesh ca rotate --root\` adds one)`;
}

interface Asked {
  readonly issuer: Issuer;
  readonly trust: Trust;
  readonly identity: ProxyIdentity;
  readonly csr: string;
  readonly lifeMs: number;
  readonly now: number;
}

async function sign({ issuer, trust, identity, csr, lifeMs, now }: Asked): Promise<SignedCertificate> {
  const { namespace, serviceAccount, node } = identity;
  const era = trust.revoked[nodeMark(node)]?.since ?? 0;
  if (now < era * 1_000 + PAUSE_MS) throw new Error('it was revoked a moment ago');
  const spiffe = `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`;
  const certificate = await issueWorkload({ issuer, csr, spiffe, serial: serialOf(node, era), lifeMs, now });
  const chain = [certificate, ...issuer.chain].map((pem) => `${pem.trim()}\n`).join('');
  const revoked = Object.fromEntries(Object.entries(trust.revoked).map(([mark, { since }]) => [mark, since]));
  return { chain, roots: trust.roots, revoked, trust: trust.version };
}
