// What connections to services outside of the mesh are made in TLS with. The files that a rule names are looked at when a connection
// is made, at most once a second: what was replaced counts for new connections, and what cannot be read leaves the old one in place.

import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { clientContext } from './credentials.ts';
import { limited } from './limits.ts';
import type { Origination } from './origination.ts';
import { SecretOriginators } from './secret-originators.ts';
import { systemRootsFile } from './system-roots.ts';

const LOOK_MS = 1_000;
/** Contexts that are kept; the one that was used longest ago goes first. */
const MAX_CONTEXTS = 256;
const MAX_FILE_BYTES = 4 << 20;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

type Log = (level: 'warning', component: 'tls', message: string) => void;

interface Waiting {
  made(context: SecureContext): void;
  failed(text: string): void;
}

export class Originators {
  readonly secrets = new SecretOriginators();
  private readonly kept = new Map<string, Originator>();
  private readonly log: Log;
  private readonly now: () => number;

  /** `now`: ms that never go back. */
  constructor(log: Log, now: () => number = () => performance.now()) {
    this.log = log;
    this.now = now;
  }

  get size(): number {
    return this.kept.size;
  }

  /** Calls one of the two once, perhaps before it returns. */
  contextFor(origination: Origination, made: Waiting['made'], failed: Waiting['failed']): void {
    const { pairSecret, trustSecret, withheld } = origination;
    if (pairSecret !== '' || trustSecret !== '' || withheld !== '') {
      this.bySecret(origination, made, failed);
      return;
    }
    const key = JSON.stringify({ ...origination, verified: true, fallsBack: true });
    const originator = this.kept.get(key) ?? new Originator(origination, this.log);
    this.kept.delete(key);
    this.kept.set(key, originator);
    if (this.kept.size > MAX_CONTEXTS) this.kept.delete(this.kept.keys().next().value!);
    originator.context(this.now(), { made, failed });
  }

  private bySecret(origination: Origination, made: Waiting['made'], failed: Waiting['failed']): void {
    let context: SecureContext;
    try {
      context = this.secrets.contextFor(origination);
    } catch (error) {
      failed((error as Error).message);
      return;
    }
    made(context);
  }
}

/** One rule's files, and what was made of them. */
class Originator {
  private readonly asked: Origination;
  private readonly log: Log;
  private made: SecureContext | null = null;
  /** Why there is no newer one; ''. */
  private fault = '';
  /** Of the files, as they were looked at last. */
  private stamp = '';
  private lookedAt = Number.NEGATIVE_INFINITY;
  private waiting: Waiting[] | null = null;

  constructor(asked: Origination, log: Log) {
    this.asked = asked;
    this.log = log;
  }

  context(now: number, waiting: Waiting): void {
    if (this.waiting !== null) {
      this.waiting.push(waiting);
      return;
    }
    if (now - this.lookedAt < LOOK_MS) {
      this.tell(waiting);
      return;
    }
    this.lookedAt = now;
    this.waiting = [waiting];
    void this.look().then(() => {
      const told = this.waiting!;
      this.waiting = null;
      for (const one of told) this.tell(one);
    });
  }

  private tell({ made, failed }: Waiting): void {
    if (this.made === null) failed(this.fault);
    else made(this.made);
  }

  private async look(): Promise<void> {
    const { caFile, certificateFile, keyFile, crlFile } = this.asked;
    const roots = caFile === '' ? systemRootsFile() : caFile;
    const files = [roots, certificateFile, keyFile, crlFile];
    let stamp = '';
    try {
      stamp = (await Promise.all(files.map(stampOf))).join();
      if (stamp === this.stamp) return;
      const [ca, cert, key, crl] = await Promise.all(files.map(read));
      this.made = contextOf(this.asked, { ca, cert, key, crl });
      this.fault = '';
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error);
      // Told once, and not again for each connection.
      if (fault !== this.fault || stamp !== this.stamp) {
        const kept = this.made === null ? 'nobody is spoken to with it' : 'what was read before is used on';
        this.log('warning', 'tls', `TLS of a DestinationRule: ${fault}: ${kept}`);
      }
      this.fault = fault;
    }
    this.stamp = stamp;
  }
}

async function stampOf(path: string): Promise<string> {
  if (path === '') return '';
  try {
    const found = await stat(path);
    // A pipe is waited for, and a device never ends.
    if (!found.isFile()) throw new Error('it is no file');
    const { dev, ino, size, mtimeMs } = found;
    return `${dev} ${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function read(path: string): Promise<string> {
  if (path === '') return '';
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    return await readFile(path, 'latin1');
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  return new Error(`${path} cannot be read: ${code ?? message}`, { cause: error });
}

interface Contents {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl: string;
}

/** Throws an Error in one clause that names the file. */
function contextOf(asked: Origination, { ca, cert, key, crl }: Contents): SecureContext {
  const options: SecureContextOptions = limited(asked.limits);
  if (ca !== '') options.ca = certificates(ca, asked.caFile);
  if (asked.certificateFile !== '') {
    certificates(cert, asked.certificateFile);
    Object.assign(options, { cert, key });
  }
  if (asked.crlFile !== '') options.crl = crl;
  try {
    return clientContext(options);
  } catch (error) {
    const files = [asked.certificateFile, asked.keyFile, asked.crlFile].filter((file) => file !== '').join(', ');
    const { message } = error as Error;
    throw new Error(`${files === '' ? 'no TLS can be made' : `${files} do not go together`}: ${message}`, {
      cause: error,
    });
  }
}

/** `path`: '' for those of the system, which are not looked at one by one. OpenSSL takes what is none without a word. */
function certificates(pem: string, path: string): string[] {
  const found = pem.match(CERTIFICATE) ?? [];
  if (found.length === 0) throw new Error(`${path === '' ? systemRootsFile() : path} holds no certificate`);
  if (path === '') return found;
  for (const [i, one] of found.entries()) {
    try {
      new X509Certificate(one);
    } catch (error) {
      throw new Error(`certificate ${i + 1} of ${path} is none`, { cause: error });
    }
  }
  return found;
}
