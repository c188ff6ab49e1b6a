// The certificate by which this proxy's workload is known: its key is made here and never leaves, the control plane's authority signs
// it, and it is renewed at about half of its life. Kept on disk, so that a proxy starts with it while nobody can sign.

import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { Certificates } from '../../bus/certificate-types.ts';
import type { SecretDump } from '../admin/host.ts';
import { certificatesIn, fingerprintOf } from '../config/pem.ts';
import type { Node, WorkloadIdentity } from '../workload.ts';
import { certificateRequest, newKey } from './certificate-request.ts';
import type { Log } from './options.ts';
import { shownCertificate } from './secret-dump.ts';
import { StateFile } from './state-file.ts';

export interface WorkloadCertificateOptions {
  readonly node: Node;
  /** Where it is kept; null: nowhere. */
  readonly stateDir: string | null;
  readonly log: Log;
  /** Ms of the epoch. */
  readonly now?: () => number;
  /** [0, 1) */
  readonly random?: () => number;
  /** There is another one. */
  changed(identity: WorkloadIdentity): void;
}

const FORMAT = 1;
const AGAIN_MS = 2_000;
const MOST_AGAIN_MS = 60_000;
const MAX_TIMER_MS = 2_147_483_647;

export class WorkloadCertificate {
  private readonly options: WorkloadCertificateOptions;
  private readonly file: StateFile | null;
  private readonly now: () => number;
  private readonly random: () => number;
  private identity: WorkloadIdentity | null = null;
  private leaf: X509Certificate | null = null;
  private source: Pick<Certificates, 'request'> | null = null;
  private renewed: () => void = () => {};
  private asking: Promise<void> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private failures = 0;
  private told = '';
  /** The version of the trust that it was signed under, and the one that stands. */
  private trust = 0;
  private standing = 0;
  private closed = false;

  constructor(options: WorkloadCertificateOptions) {
    const { stateDir, log, now = Date.now, random = Math.random } = options;
    this.options = options;
    this.now = now;
    this.random = random;
    this.file = stateDir === null ? null : new StateFile(join(stateDir, 'certificate.json'), 'the certificate', log);
  }

  /** Null before there is one. An expired one counts on: nobody is to be believed again by less than that. */
  get current(): WorkloadIdentity | null {
    return this.identity;
  }

  /** Seconds that it is still valid; negative once it has expired, null before there is one. */
  get expiresIn(): number | null {
    return this.leaf === null ? null : (this.leaf.validToDate.getTime() - this.now()) / 1_000;
  }

  /** What the last run had. */
  async load(): Promise<void> {
    await this.file?.load((value) => {
      const { format, key, chain, roots, revoked } = value as Record<string, unknown>;
      if (format !== FORMAT || typeof key !== 'string' || typeof chain !== 'string' || typeof roots !== 'string') {
        throw new Error('it is not what this version writes');
      }
      this.take({ key, chain, roots, revoked: (revoked ?? {}) as WorkloadIdentity['revoked'] });
    });
  }

  /**
   * Who signs can be asked from now on, and is asked at once: what an earlier run kept may be of an authority that is no more.
   * `renewed` is called after each new one. Resolves when there is a valid one, or the first attempt has failed.
   */
  async follow(source: Pick<Certificates, 'request'>, renewed: () => void = () => {}): Promise<void> {
    this.source = source;
    this.renewed = renewed;
    const asked = this.renew();
    if ((this.expiresIn ?? 0) <= 0) await asked;
  }

  /** The mesh believes others than before: asks for what is signed and believed now. */
  trusts(version: number): void {
    this.standing = version;
    // Who is asking now looks again when it is answered, and who has none asks by itself.
    if (this.closed || this.identity === null || this.asking !== null || version === this.trust) return;
    void this.renew();
  }

  /** What a newborn shard is told. */
  greeting(): { readonly type: 'identity'; readonly identity: WorkloadIdentity }[] {
    return this.identity === null ? [] : [{ type: 'identity', identity: this.identity }];
  }

  secrets(): SecretDump[] {
    const { identity } = this;
    if (identity === null) return [];
    const now = this.now();
    return [
      { ...shownCertificate(identity.chain, 'default', 'Cert Chain', now), ...aboveOf(identity) },
      ...certificatesIn(identity.roots).map((pem) => shownCertificate(pem, 'ROOTCA', 'CA', now)),
    ];
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    await this.file?.close();
  }

  private renew(): Promise<void> {
    this.asking ??= this.ask().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  private async ask(): Promise<void> {
    const { log, node } = this.options;
    const key = newKey();
    let trust: number;
    try {
      const signed = await this.source!.request(certificateRequest(key));
      if (this.closed) return;
      const { chain, roots, revoked } = signed;
      this.take({ key, chain, roots, revoked });
      trust = signed.trust;
    } catch (error) {
      if (this.closed) return;
      this.failed((error as Error).message);
      return;
    }
    this.trust = trust;
    this.failures = 0;
    this.told = '';
    log('info', 'certificate', `${node.name} is ${this.leaf!.subjectAltName} until ${this.leaf!.validTo}`);
    const { identity } = this;
    this.file?.save(() => ({ format: FORMAT, ...identity }));
    this.options.changed(identity!);
    this.renewed();
    if (this.standing > trust) this.later(AGAIN_MS * this.random());
    else this.plan();
  }

  private failed(why: string): void {
    const { log } = this.options;
    this.failures++;
    const left = this.expiresIn;
    const stands =
      left === null ? 'there is none' : left > 0 ? 'the one that it has stays' : 'the one that it has expired';
    if (why !== this.told) log('warning', 'certificate', `no certificate from the control plane: ${why}; ${stands}`);
    this.told = why;
    this.later(Math.min(AGAIN_MS * 2 ** Math.min(this.failures - 1, 10), MOST_AGAIN_MS) * (0.5 + this.random() / 2));
  }

  /** Throws an Error for what is no certificate of this workload and key. */
  private take(identity: WorkloadIdentity): void {
    const { trustDomain, namespace, serviceAccount } = this.options.node;
    const leaf = new X509Certificate(identity.chain);
    const own = `URI:spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
    if (leaf.subjectAltName !== own) throw new Error(`it is for ${leaf.subjectAltName}, and this workload is ${own}`);
    if (certificatesIn(identity.roots).length === 0) throw new Error('it names no root');
    this.identity = identity;
    this.leaf = leaf;
  }

  /** At half of its life, some earlier than others. */
  private plan(): void {
    const { validFromDate: from, validToDate: to } = this.leaf!;
    const half = from.getTime() + ((to.getTime() - from.getTime()) / 2) * (0.8 + this.random() / 5);
    this.later(Math.max(half - this.now(), 1_000));
  }

  private later(ms: number): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.renew(), Math.min(ms, MAX_TIMER_MS)).unref();
  }
}

/** Fingerprints of the root that its certificate is below, and of what signed it. */
function aboveOf(identity: WorkloadIdentity): Pick<SecretDump, 'root' | 'issuer'> {
  const root = rootOf(identity);
  const [, issuer] = certificatesIn(identity.chain);
  return { root, issuer: issuer === undefined ? root : fingerprintOf(issuer) };
}

/** '' = of none that it was given. */
function rootOf({ chain, roots }: WorkloadIdentity): string {
  const last = new X509Certificate(certificatesIn(chain).at(-1)!);
  for (const pem of certificatesIn(roots)) {
    const root = new X509Certificate(pem);
    const same = root.fingerprint256 === last.fingerprint256;
    if (same || (last.checkIssued(root) && last.verify(root.publicKey))) return fingerprintOf(pem);
  }
  return '';
}
