// The keys and certificates that the configuration names: gathered on the main thread before it runs, told to the shards, and told
// again as they change.

import { X509Certificate } from 'node:crypto';
import type { SecretDump } from '../admin/host.ts';
import type { Problem, Resource } from '../config/resource.ts';
import type { Credential } from '../credential.ts';
import type { ToShard } from '../shard/protocol.ts';
import { credentialsNamed } from '../snapshot/tls-servers.ts';
import type { Node } from '../workload.ts';
import { CredentialFile, certificatesIn } from './credential-files.ts';
import type { Log } from './options.ts';
import { shownCertificate } from './secret-dump.ts';

export interface CredentialsOptions {
  readonly node: Node;
  readonly log: Log;
  post(message: ToShard): void;
  /** Told once of each name: how long what is there under it is still valid; NaN for nothing. */
  expiry(name: string, seconds: () => number): void;
  /** Ms of the epoch. */
  readonly now?: () => number;
}

export class Credentials {
  private readonly options: CredentialsOptions;
  private readonly files = new Map<string, CredentialFile>();
  private readonly known = new Map<string, Credential>();
  private readonly now: () => number;
  private readonly expiring = new Set<string>();

  constructor(options: CredentialsOptions) {
    this.options = options;
    this.now = options.now ?? Date.now;
  }

  /** Gathers what these name, and forgets the rest. Returns a warning for each that is not there. */
  async prepare(resources: Iterable<Resource>): Promise<readonly Problem[]> {
    const wanted = credentialsNamed(this.options.node, resources);
    for (const name of this.known.keys()) if (!wanted.has(name)) this.forget(name);
    for (const [name, file] of this.files) {
      if (wanted.has(name)) continue;
      file.close();
      this.files.delete(name);
    }
    await Promise.all([...wanted.values()].map(({ name, files }) => files !== null && this.fileOf(name, files).look()));
    return [...wanted.values()]
      .filter(({ name }) => !this.known.has(name))
      .map(({ name, by }) => ({
        severity: 'warning' as const,
        code: 'credential',
        message: `${name} is not there: ${by} takes no handshake without it`,
      }));
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

  close(): void {
    for (const file of this.files.values()) file.close();
  }

  private fileOf(name: string, files: ConstructorParameters<typeof CredentialFile>[0]['files']): CredentialFile {
    const known = this.files.get(name);
    if (known !== undefined) return known;
    const file = new CredentialFile({
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

  private forget(name: string): void {
    this.known.delete(name);
    this.options.post({ type: 'credential', name, credential: null });
  }
}
