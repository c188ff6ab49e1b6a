// The mesh's root is changed for another one in three steps, each of which is safe once every proxy has followed the one before:
// the new root is believed beside the old one, then certificates are signed below it, then the old one is believed no more. The
// intermediate that signs is changed in one step: who believes its root believes it.
import { X509Certificate } from 'node:crypto';
import type { Certificates, Trust } from '../../bus/certificate-types.ts';
import type { Lease, Questions } from '../../bus/types.ts';
import { BusUnavailableError } from '../../bus/types.ts';
import { certificatesIn, fingerprintOf } from '../../core/config/pem.ts';
import type { Authority } from './authority.ts';
import { type AuthorityFiles, hasNext, makeIntermediateNext, makeNext, removeNext } from './files.ts';

export interface RotationParts {
  readonly authority: Authority;
  readonly files: AuthorityFiles;
  readonly bus: Pick<Certificates, 'retrust'>;
  readonly questions: Pick<Questions, 'ask'>;
  /** Of the proxies that live. */
  leases(): ReadonlyMap<string, Lease>;
  /** Ms of the epoch. */
  readonly now?: () => number;
}

/** settled: one root. trusting: a second one is believed, too. signing: certificates are signed below it. */
export type RotationStep = 'settled' | 'trusting' | 'signing';

export interface RotationReport {
  readonly step: RotationStep;
  readonly roots: readonly RootReport[];
  /** What signs below a root; null: the root itself does. */
  readonly intermediate: CertificateReport | null;
  /** Proxies that live. */
  readonly proxies: number;
  /** Those that have not followed, and why, as a clause. */
  readonly waiting: readonly { readonly proxy: string; readonly why: string }[];
  /** A sentence: what may be done now. */
  readonly next: string;
}

export interface CertificateReport {
  readonly fingerprint: string;
  readonly subject: string;
  /** ISO 8601. */
  readonly expires: string;
}

export interface RootReport extends CertificateReport {
  /** Workloads get certificates below it. */
  readonly signs: boolean;
}

/** It may not go on now, and why. Nothing was changed. */
export class RotationRefused extends Error {}

const ASKED_AT_ONCE = 50;
const ANSWER_MS = 3_000;
const TOLD = 5;
const EARLIER = 'it is of an earlier version, which does not tell ';
const PATH = '/config_dump?resource=secrets';

/** What a proxy says of its own. */
interface Shown {
  readonly name?: string;
  readonly fingerprint?: string;
  readonly root?: string;
  readonly issuer?: string;
}

/** The trust, taken apart. */
interface Standing {
  readonly step: RotationStep;
  readonly trust: Trust;
  /** Below the root, in PEM. */
  readonly intermediate: string | undefined;
  readonly roots: readonly string[];
  /** In hex, as `roots`. */
  readonly names: readonly string[];
  readonly signing: string;
}

export class Rotation {
  readonly #parts: RotationParts;
  readonly #now: () => number;
  #advancing = false;

  constructor(parts: RotationParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
  }

  /** Throws BusUnavailableError, and an Error in one sentence for an authority that cannot be read. */
  async report(): Promise<RotationReport> {
    const standing = await this.#standing();
    const { step, roots, names, signing, intermediate } = standing;
    const waiting = await this.#waiting(standing);
    return {
      step,
      roots: roots.map((pem, at) => ({ ...shown(pem), signs: names[at] === signing })),
      intermediate: intermediate === undefined ? null : shown(intermediate),
      proxies: this.#parts.leases().size,
      waiting,
      next: waiting.length > 0 ? `wait for ${told(waiting)}` : NEXT[step],
    };
  }

  /**
   * The next step. `root`: what to believe in place of a root that is made here, in PEM. Throws RotationRefused, and as `report`.
   */
  async advance(root?: string): Promise<RotationReport> {
    return this.#alone(async () => {
      const standing = await this.#standing();
      if (root !== undefined && standing.step !== 'settled') {
        throw new RotationRefused('a rotation is under way, and has its root: go on without another one');
      }
      await this.#checkFollowed(standing);
      if (standing.step === 'settled') await this.#believe(standing, root);
      else if (standing.step === 'trusting') await this.#sign(standing);
      else await this.#forget(standing);
    });
  }

  /** Another intermediate, at once. Throws RotationRefused, and as `report`. */
  async advanceIntermediate(): Promise<RotationReport> {
    return this.#alone(async () => {
      const standing = await this.#standing();
      const { files } = this.#parts;
      if (files.own !== undefined) {
        throw new RotationRefused(
          'this control plane signs with files of your own: put the new intermediate there (--ca-cert, --ca-key) and start it again',
        );
      }
      if (standing.step !== 'settled') {
        throw new RotationRefused(
          'a rotation of the root is under way, which brings another intermediate: go on with that',
        );
      }
      await this.#checkFollowed(standing);
      const { trust, names } = standing;
      const next = await makeIntermediateNext(files, names[0], this.#now()).catch((error: Error) => {
        throw new RotationRefused(`the root cannot sign another intermediate: ${error.message}`);
      });
      try {
        await this.#change({ ...trust, signing: names[0], intermediate: next });
      } catch (error) {
        if (error instanceof RotationRefused) await removeNext(files, next);
        throw error;
      }
      if (trust.intermediate !== '') await removeNext(files, trust.intermediate);
    });
  }

  /** One change at a time, and how it stands then. */
  async #alone(change: () => Promise<void>): Promise<RotationReport> {
    // Asking everybody takes a while, in which the next one would see the same.
    if (this.#advancing) throw new RotationRefused('another step is under way');
    this.#advancing = true;
    try {
      await change();
      return await this.report();
    } finally {
      this.#advancing = false;
    }
  }

  async #checkFollowed(standing: Standing): Promise<void> {
    const waiting = await this.#waiting(standing);
    if (waiting.length > 0) throw new RotationRefused(`not every proxy has followed: ${told(waiting)}`);
  }

  async #standing(): Promise<Standing> {
    // What another control plane did since counts.
    this.#parts.authority.again();
    const { trust, issuer } = await this.#parts.authority.open();
    const roots = certificatesIn(trust.roots);
    const names = roots.map(fingerprintOf);
    const signing = trust.signing === '' ? names[0] : trust.signing;
    const step = roots.length < 2 ? 'settled' : signing === names[0] ? 'trusting' : 'signing';
    return { step, trust, intermediate: issuer.chain[0], roots, names, signing };
  }

  async #believe({ trust, roots, names }: Standing, given: string | undefined): Promise<void> {
    const { files } = this.#parts;
    if (given === undefined && files.own !== undefined) {
      throw new RotationRefused(
        'this control plane signs with files of your own (--ca-cert): give the certificate of the new root (--root)',
      );
    }
    const root = given === undefined ? await makeNext(files, this.#now()) : checkedRoot(given, this.#now());
    if (names.includes(fingerprintOf(root))) throw new RotationRefused('the mesh believes that root already');
    const both = [...roots, root].map((pem) => `${pem.trim()}\n`).join('');
    try {
      await this.#change({ ...trust, roots: both, signing: names[0] });
    } catch (error) {
      // A root that nobody believes is for nothing; unless it is not known whether somebody does.
      if (given === undefined && error instanceof RotationRefused) await removeNext(files, fingerprintOf(root));
      throw error;
    }
  }

  async #sign({ trust, names: [, next] }: Standing): Promise<void> {
    const { files, authority } = this.#parts;
    const { issuer } = await authority.open();
    const own = fingerprintOf(issuer.root) === next;
    if (!own && (files.own !== undefined || !(await hasNext(files, next)))) {
      throw new RotationRefused(
        `this control plane cannot sign below the new root ${short(next)}: start each with --ca-cert and --ca-key below it`,
      );
    }
    await this.#change({ ...trust, signing: next, intermediate: '' });
    if (trust.intermediate !== '') await removeNext(files, trust.intermediate);
  }

  async #forget({ trust, roots, names }: Standing): Promise<void> {
    const { issuer } = await this.#parts.authority.open();
    if (fingerprintOf(issuer.root) !== names[1]) {
      throw new RotationRefused(`this control plane still signs below the old root ${short(names[0])} (--ca-cert)`);
    }
    await this.#change({ ...trust, roots: `${roots[1].trim()}\n`, signing: names[1] });
    await removeNext(this.#parts.files, names[0]);
  }

  async #change(trust: Trust): Promise<void> {
    if (!(await this.#parts.bus.retrust(trust)))
      throw new RotationRefused('somebody else was first: ask how it stands');
    await this.#parts.authority.replaced(trust);
  }

  /** Each proxy is asked what it has: nobody is believed to have followed who does not say so. */
  async #waiting(standing: Standing): Promise<RotationReport['waiting']> {
    const all = [...this.#parts.leases()];
    const waiting: { proxy: string; why: string }[] = [];
    for (let at = 0; at < all.length; at += ASKED_AT_ONCE) {
      await Promise.all(
        all.slice(at, at + ASKED_AT_ONCE).map(async ([id, { from }]) => {
          const why = from === undefined ? 'nobody knows who speaks for it' : await this.#behind(from, standing);
          if (why !== '') waiting.push({ proxy: id.split('~')[2] ?? id, why });
        }),
      );
    }
    return waiting.sort((a, b) => (a.proxy < b.proxy ? -1 : 1));
  }

  async #behind(from: NonNullable<Lease['from']>, { trust, names, signing }: Standing): Promise<string> {
    let secrets: readonly Shown[];
    try {
      const { status, body } = await this.#parts.questions.ask(from, { method: 'GET', path: PATH }, ANSWER_MS);
      if (status !== 200) return `it answers ${status}`;
      secrets = (JSON.parse(body) as { secrets?: Shown[] }).secrets ?? [];
    } catch (error) {
      if (error instanceof BusUnavailableError) return 'it does not answer';
      if (error instanceof SyntaxError) return 'what it answers cannot be read';
      throw error;
    }
    const own = secrets.find(({ name, root }) => name === 'default' && root !== undefined);
    const believed = secrets.flatMap(({ name, fingerprint }) => (name === 'ROOTCA' ? [fingerprint] : []));
    if (own === undefined) {
      // A secret that the configuration calls 'default' comes with no roots of the mesh.
      const has = believed.length > 0 && secrets.some(({ name }) => name === 'default');
      return has ? `${EARLIER}below which root its certificate is: update it` : 'it has no certificate';
    }
    const missing = names.find((name) => !believed.includes(name));
    if (missing !== undefined) return `it does not believe the root ${short(missing)} yet`;
    if (own.root !== signing) return `its certificate is not below the root ${short(signing)} yet`;
    const made = this.#parts.files.own === undefined && trust.intermediate !== '';
    if (made && own.issuer === undefined) return `${EARLIER}which intermediate its certificate is of: update it`;
    if (made && own.issuer !== trust.intermediate) {
      return `its certificate is not of the intermediate ${short(trust.intermediate)} yet`;
    }
    return believed.length > names.length ? 'it still believes a root that is no more' : '';
  }
}

const NEXT: Readonly<Record<RotationStep, string>> = {
  settled: 'nothing is under way; `mesh ca rotate` makes the mesh believe a new root beside this one',
  trusting: 'every proxy believes both roots: `mesh ca rotate` signs certificates below the new one',
  signing: 'every proxy has a certificate below the new root: `mesh ca rotate` ends the old one',
};

function shown(pem: string): CertificateReport {
  const { subject, validToDate } = new X509Certificate(pem);
  const line = (subject ?? '').replaceAll('\n', ', ');
  return { fingerprint: fingerprintOf(pem), subject: line, expires: validToDate.toISOString() };
}

function told(waiting: RotationReport['waiting']): string {
  const named = waiting.slice(0, TOLD).map(({ proxy, why }) => `${proxy} (${why})`);
  const more = waiting.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

function short(fingerprint: string): string {
  return fingerprint.slice(0, 16);
}

/** Throws RotationRefused for what is no root that may sign now. */
function checkedRoot(pem: string, now: number): string {
  const [root, ...more] = certificatesIn(pem);
  if (root === undefined || more.length > 0) throw new RotationRefused('a root is one certificate in PEM');
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(root);
  } catch (error) {
    throw new RotationRefused(`the root is damaged: ${(error as Error).message}`);
  }
  const { ca, publicKey, validFromDate: from, validToDate: to } = certificate;
  if (!ca) throw new RotationRefused('that may not sign certificates (it is no CA)');
  if (!certificate.checkIssued(certificate) || !certificate.verify(publicKey)) {
    throw new RotationRefused('that is no root: another one signed it');
  }
  if (to.getTime() <= now || from.getTime() > now) {
    throw new RotationRefused(`the root is valid from ${from.toISOString()} to ${to.toISOString()}, not now`);
  }
  return root;
}
