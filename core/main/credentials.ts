// The keys and certificates that the configuration names: gathered on the main thread before it runs, from files or from the control
// plane, told to the shards, and told again as they change. Secrets are kept on disk, for starts with no control plane.

import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Secrets } from '../../bus/secret-types.ts';
import type { SecretDump } from '../admin/host.ts';
import { certificatesIn, checkCredential } from '../config/pem.ts';
import { PemFiles } from '../config/pem-files.ts';
import type { Problem, Resource } from '../config/resource.ts';
import type { Credential } from '../credential.ts';
import type { ToShard } from '../shard/protocol.ts';
import { credentialsNamed } from '../snapshot/credentials-named.ts';
import type { Node } from '../workload.ts';
import type { Log } from './options.ts';
import { shownCertificate } from './secret-dump.ts';
import { StateFile } from './state-file.ts';

export interface CredentialsOptions {
  readonly node: Node;
  /** Where secrets are kept; null: nowhere. */
  readonly stateDir: string | null;
  readonly log: Log;
  post(message: ToShard): void;
  /** Told once of each name: how long what is there under it is still valid; NaN for nothing. */
  expiry(name: string, seconds: () => number): void;
  /** Ms of the epoch. */
  readonly now?: () => number;
}

type Wanted = ReturnType<typeof credentialsNamed>;

const FORMAT = 1;
const SECRET = 'kubernetes://';
/** Who does not hear of a change sees it so soon. */
const LOOK_MS = 30_000;

export class Credentials {
  private readonly options: CredentialsOptions;
  private readonly files = new Map<string, PemFiles>();
  private readonly known = new Map<string, Credential>();
  private readonly now: () => number;
  private readonly file: StateFile | null;
  private readonly timer: NodeJS.Timeout;
  /** What the running configuration names, what the one does that was prepared last, and both together. */
  private running: Wanted = new Map();
  private proposed: Wanted = new Map();
  private wanted: Wanted = new Map();
  private source: Pick<Secrets, 'request'> | null = null;
  /** Of the last run. */
  private kept: ReadonlyMap<string, Credential> = new Map();
  private readonly told = new Map<string, string>();
  private readonly expiring = new Set<string>();

  constructor(options: CredentialsOptions) {
    this.options = options;
    this.now = options.now ?? Date.now;
    const { stateDir, log } = options;
    this.file = stateDir === null ? null : new StateFile(join(stateDir, 'credentials.json'), 'secrets', log);
    this.timer = setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** What the last run had. */
  async load(): Promise<void> {
    await this.file?.load((value) => {
      const { format, secrets } = value as { format?: unknown; secrets?: Record<string, Credential> };
      if (format !== FORMAT || secrets === undefined) throw new Error('it is not what this version writes');
      for (const credential of Object.values(secrets)) checkCredential(credential);
      this.kept = new Map(Object.entries(secrets));
    });
  }

  /** Who has secrets can be asked from now on. */
  async follow(source: Pick<Secrets, 'request'>): Promise<void> {
    this.source = source;
    await this.look();
  }

  /** Asks for all secrets again. */
  async look(): Promise<void> {
    const names = [...this.wanted.values()].flatMap(({ name, files }) => (files === null ? name : []));
    await Promise.all(names.map((name) => this.ask(name)));
  }

  /**
   * Gathers what these name, beside what runs: they may be refused. Returns a warning for each that is not there.
   */
  async prepare(resources: Iterable<Resource>): Promise<readonly Problem[]> {
    const wanted = credentialsNamed(this.options.node, resources);
    this.proposed = wanted;
    this.keepOnly(new Map([...this.running, ...wanted]));
    await Promise.all(
      [...wanted.values()].map(({ name, files }) =>
        files === null ? this.secretOf(name) : this.fileOf(name, files).look(),
      ),
    );
    return [...wanted.values()]
      .filter(({ name }) => !this.known.has(name))
      .map(({ name, without }) => ({
        severity: 'warning' as const,
        code: 'credential',
        message: `${name} is not there: ${without} without it`,
      }));
  }

  /** What was prepared last runs now. */
  adopted(): void {
    this.running = this.proposed;
    this.keepOnly(this.proposed);
  }

  /** What a newborn shard is told. */
  greeting(): ToShard[] {
    return [...this.known].map(([name, credential]) => ({ type: 'credential', name, credential }));
  }

  /** For people; never a key. */
  secrets(): SecretDump[] {
    return [...this.known].flatMap(([name, { cert, ca }]) => [
      ...certificatesIn(cert)
        .slice(0, 1)
        .map((pem) => shownCertificate(pem, name, 'Cert Chain', this.now())),
      ...certificatesIn(ca).map((pem) => shownCertificate(pem, name, 'CA', this.now())),
    ]);
  }

  close(): Promise<void> | undefined {
    clearInterval(this.timer);
    for (const file of this.files.values()) file.close();
    return this.file?.close();
  }

  private async secretOf(name: string): Promise<void> {
    if (this.known.has(name)) return;
    const kept = this.kept.get(name);
    if (kept === undefined) return this.ask(name);
    this.learn(name, kept);
    // It may be another one by now; nobody waits for that.
    void this.ask(name);
  }

  private async ask(name: string): Promise<void> {
    const { source } = this;
    if (source === null) return;
    const { labels } = this.options.node;
    try {
      const secret = await source.request({ name: name.slice(SECRET.length), labels });
      if (!this.wanted.has(name)) return;
      this.told.delete(name);
      if (secret === null) {
        if (this.known.has(name)) this.forget(name);
      } else {
        const { cert, key, ca, crl } = secret;
        const credential = { cert, key, ca, crl };
        if (isDeepStrictEqual(this.known.get(name), credential)) return;
        checkCredential(credential);
        this.learn(name, credential);
      }
      this.keep();
    } catch (error) {
      // Said when it begins or changes, not at every attempt.
      const { message } = error as Error;
      const stays = this.known.has(name) ? 'the one that it has stays' : 'there is none';
      if (this.told.get(name) !== message) {
        this.options.log(
          'warning',
          'credentials',
          `${name} does not come from the control plane: ${message}; ${stays}`,
        );
      }
      this.told.set(name, message);
    }
  }

  private keep(): void {
    this.kept = new Map([...this.known].filter(([name]) => name.startsWith(SECRET)));
    this.file?.save(() => ({ format: FORMAT, secrets: Object.fromEntries(this.kept) }));
  }

  private fileOf(name: string, files: ConstructorParameters<typeof PemFiles>[0]['files']): PemFiles {
    const known = this.files.get(name);
    if (known !== undefined) return known;
    const file = new PemFiles({
      files,
      changed: (credential) => this.learn(name, credential),
      failed: (why) => {
        const stays = this.known.has(name) ? '; the one that was there stays' : '';
        this.options.log('warning', 'credentials', `${name} cannot be used: ${why}${stays}`);
      },
    });
    this.files.set(name, file);
    return file;
  }

  private expiresIn(name: string): number {
    const [leaf] = certificatesIn(this.known.get(name)?.cert ?? '');
    return leaf === undefined ? Number.NaN : (new X509Certificate(leaf).validToDate.getTime() - this.now()) / 1_000;
  }

  private learn(name: string, credential: Credential): void {
    const before = this.known.get(name);
    if (credential.cert !== '' && !this.expiring.has(name)) {
      this.expiring.add(name);
      this.options.expiry(name, () => this.expiresIn(name));
    }
    this.known.set(name, credential);
    this.options.post({ type: 'credential', name, credential });
    const [leaf] = certificatesIn(credential.cert);
    const until = leaf === undefined ? '' : ` until ${new X509Certificate(leaf).validTo}`;
    const verb = before === undefined ? 'is there' : 'is another one';
    this.options.log('info', 'credentials', `${name} ${verb}${until}`);
  }

  private keepOnly(wanted: Wanted): void {
    this.wanted = wanted;
    for (const name of this.known.keys()) if (!wanted.has(name)) this.forget(name);
    for (const name of this.told.keys()) if (!wanted.has(name)) this.told.delete(name);
    for (const [name, file] of this.files) {
      if (wanted.has(name)) continue;
      file.close();
      this.files.delete(name);
    }
  }

  private forget(name: string): void {
    this.known.delete(name);
    this.options.post({ type: 'credential', name, credential: null });
  }
}
