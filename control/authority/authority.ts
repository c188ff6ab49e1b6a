// The mesh's certificate authority: signs a workload's key for who its user of NATS says that it is. READ FIRST in this room; what
// it signs with is read or made by files.ts, and certificates themselves are written by issuing.ts.
import type { Certificates, SignedCertificate, Trust } from '../../bus/certificate-types.ts';
import { BusUnavailableError, type ProxyIdentity } from '../../bus/types.ts';
import { fingerprintOf } from '../../core/config/pem.ts';
import { nodeMark, serialOf } from '../../core/config/serial.ts';
import { type AuthorityFiles, firstRoot, isMade, openIssuer, openNext } from './files.ts';
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
  /** As it is now; made first where there is none. Throws as `startAuthority`, and CannotSign. */
  open(): Promise<Opened>;
  /** What the mesh trusts, asked anew, whether or not this control plane can sign. Throws as `open`. */
  trust(): Promise<Trust>;
  /** Reads what it signs with, and what the mesh trusts, again: either has changed. */
  again(): void;
  /** The mesh trusts that now. */
  replaced(trust: Trust): Promise<void>;
  /** How long a certificate lives. */
  readonly lifeMs: number;
}

/** This control plane goes on, and signs nothing; why, in a sentence. */
class CannotSign extends Error {}

/**
 * Answers whoever asks for a certificate. An authority that is there is read at once, and one that is not is made when the first
 * certificate is asked for. Throws an Error in one sentence for files that are no authority, BusUnavailableError.
 */
export async function startAuthority(options: AuthorityOptions): Promise<Authority> {
  const { bus, lifeMs = LIFE_MS, now = Date.now, onLog } = options;
  let opened: Promise<Opened> | null = null;
  const open = (): Promise<Opened> => {
    if (opened !== null) return opened;
    const opening = openAuthority(options, now());
    opened = opening;
    // Whoever called is told why.
    opening.catch(() => {
      if (opened === opening) opened = null;
    });
    return opening;
  };
  const again = (): void => {
    opened = null;
  };
  // Read at once, and kept: who asks for a certificate may be late.
  const follow = async (version: number): Promise<void> => {
    if ((await opened?.catch(() => null))?.trust.version === version) return;
    again();
    if (await isMade(options)) await open();
  };
  bus.onTrust((version) => {
    // Who asks is told why, and with the next word of it this is tried again.
    follow(version).catch(again);
  });
  if (await isMade(options)) {
    const why = await open().then(
      ({ issuer, trust }) => (isTrusted(issuer, trust) ? null : strange(issuer)),
      (error: unknown) => {
        if (error instanceof CannotSign) return error.message;
        throw error;
      },
    );
    if (why !== null) onLog?.(`${why}: workloads get no certificates from this control plane`);
  }
  bus.answer(async (identity, csr) => {
    const { issuer, trust } = await open();
    if (!isTrusted(issuer, trust)) throw new Error(strange(issuer));
    return sign({ issuer, trust, identity, csr, lifeMs, now: now() });
  });
  return {
    open,
    trust: () => readTrust(options, now()),
    again,
    async replaced(trust) {
      await keep(options, trust);
      again();
    },
    lifeMs,
  };
}

/** Files of the user's own are what he says; of those that were made, the mesh says which. */
async function openAuthority(options: AuthorityOptions, now: number): Promise<Opened> {
  if (options.own !== undefined) {
    const issuer = await openIssuer(options, now);
    return { issuer, trust: await readTrust(options, now) };
  }
  const trust = await readTrust(options, now);
  return { issuer: await standing(options, trust, now), trust };
}

async function readTrust(options: AuthorityOptions, now: number): Promise<Trust> {
  // A NATS that lost everything is told what stood, and not the root that was first.
  const kept = await keptTrust(options);
  const own = kept ?? { roots: await firstRoot(options, now), signing: '', intermediate: '', revoked: {} };
  const trust = await options.bus.trusted(own).catch((error: Error) => {
    throw error instanceof BusUnavailableError ? error : new CannotSign(error.message);
  });
  await keep(options, trust);
  return trust;
}

/** Certificates are signed where that fails, too. */
async function keep(options: AuthorityOptions, trust: Trust): Promise<void> {
  await keepTrust(options, trust).catch((error: Error) => options.onLog?.(error.message));
}

/** Of those that were made here, or by another control plane; the others need not be valid any more. */
async function standing(files: AuthorityFiles, { signing, intermediate }: Trust, now: number): Promise<Issuer> {
  const name = intermediate === '' ? signing : intermediate;
  if (name === '' || (intermediate === '' && name === fingerprintOf(await firstRoot(files, now)))) {
    return openIssuer(files, now);
  }
  return openNext(files, name, now).catch((error: Error) => {
    throw new CannotSign(error.message);
  });
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
