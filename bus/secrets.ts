// Keys and certificates that gateways are given: how they lie in NATS, and how one of them comes to a proxy. At rest they are sealed by
// a key that only control planes can make, out of the one that signs commits; on their way by one that is made for a single answer
// (X25519, HKDF, AES-256-GCM), which the control plane signs. Who asks is in the subject, which its user alone may publish to.
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { headers, type Msg } from 'nats';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import { type Seal, SIGNATURE_HEADER } from './log/commit-format.ts';
import { NatsRecords } from './records.ts';
import type { AskedSecret, Sealed, SecretData, Secrets, StoredSecret } from './secret-types.ts';
import {
  everybody,
  identityOf,
  SECRET_PREFIX,
  SECRET_STREAM,
  SECRET_SUBJECT,
  subjectOf,
  subjectToken,
  tokenId,
} from './subjects.ts';
import { BusUnavailableError, type ProxyIdentity } from './types.ts';

const MAX_REQUEST_BYTES = 16 * 1024;
const MAX_UNDER_WAY = 64;
const ANSWER_MS = 5_000;
const CIPHER = 'aes-256-gcm';
/** A shorter one can be guessed. */
const TAG_BYTES = 16;

export class NatsSecrets implements Secrets {
  readonly #link: Link;
  readonly #identity: ProxyIdentity | undefined;
  readonly #seal: Seal;
  readonly #key: Buffer | null;
  readonly #records: NatsRecords;
  readonly #onProblem: (message: string) => void;
  #underWay = 0;

  /** `signingKey`: as BusOptions has it; without it nothing is stored or opened. */
  constructor(
    link: Link,
    options: { readonly identity?: ProxyIdentity; readonly seal: Seal; readonly signingKey?: string },
    onProblem: (message: string) => void,
  ) {
    this.#link = link;
    this.#identity = options.identity;
    this.#seal = options.seal;
    const { signingKey } = options;
    this.#key = signingKey === undefined ? null : derive(Buffer.from(signingKey, 'base64'), 'weft secrets at rest');
    this.#records = new NatsRecords(link, SECRET_STREAM, SECRET_SUBJECT);
    this.#onProblem = onProblem;
  }

  async get(namespace: string, name: string): Promise<StoredSecret | null> {
    const record = await this.#records.get(idOf(namespace, name));
    return record === null ? null : stored(record.id, record.value);
  }

  async all(): Promise<StoredSecret[]> {
    return (await this.#records.all()).flatMap(({ id, value }) => stored(id, value) ?? []);
  }

  async put({ namespace, name, about, sealed }: StoredSecret): Promise<void> {
    const id = idOf(namespace, name);
    // Of two at the same time the later one counts.
    while (!(await this.#records.put(id, { about, sealed }, (await this.#records.get(id))?.version ?? 0)));
  }

  async remove(namespace: string, name: string): Promise<void> {
    await this.#records.remove(idOf(namespace, name));
  }

  seal(of: Omit<StoredSecret, 'sealed'>, data: SecretData): Sealed {
    if (this.#key === null) throw new RangeError('this control plane has no key to keep secrets by');
    return encrypt(this.#key, ownerOf(of), data);
  }

  open(secret: StoredSecret): SecretData | null {
    return this.#key === null ? null : decrypt(this.#key, ownerOf(secret), secret.sealed);
  }

  async request(asked: AskedSecret): Promise<SecretData | null> {
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    const key = spkiOf(publicKey);
    const subject = subjectOf(SECRET_PREFIX, this.#identity!);
    const answer = await this.#link.request(subject, JSON.stringify({ ...asked, key }), undefined, ANSWER_MS);
    const told: Record<string, unknown> = jsonObject(answer.data) ?? {};
    if (typeof told.error === 'string') throw new Error(told.error);
    // Not another one's, and of nobody but a control plane.
    if (!this.#seal.holds(answer.data, answer.headers) || told.key !== key || told.name !== asked.name) {
      throw new Error('what was answered is of no control plane');
    }
    if (told.none === true) return null;
    const data = decrypt(sharedKey(privateKey, publicOf(String(told.from))), key, told.sealed as Sealed);
    if (data === null) throw new Error('what was answered cannot be opened');
    return data;
  }

  answer(give: Parameters<Secrets['answer']>[0]): void {
    this.#link.nc.subscribe(everybody(SECRET_PREFIX), {
      queue: 'weft-control',
      callback: (_, message) => void this.#answer(message, give),
    });
  }

  async #answer(message: Msg, give: Parameters<Secrets['answer']>[0]): Promise<void> {
    const identity = identityOf(SECRET_PREFIX, message.subject);
    if (identity === null) return;
    const refuse = (error: string): void => void message.respond(JSON.stringify({ error }));
    if (message.data.byteLength > MAX_REQUEST_BYTES) return refuse('the request is too large');
    if (this.#underWay >= MAX_UNDER_WAY) return refuse('too many ask at the same time');
    const asked: Record<string, unknown> = jsonObject(message.data) ?? {};
    const { name, key, labels } = asked;
    if (typeof name !== 'string' || typeof key !== 'string') return refuse('that is no request for a secret');
    this.#underWay++;
    try {
      const theirs = publicOf(key);
      const data = await give(identity, { name, labels: labelsIn(labels) });
      const own = generateKeyPairSync('x25519');
      const told =
        data === null
          ? { none: true }
          : { from: spkiOf(own.publicKey), sealed: encrypt(sharedKey(own.privateKey, theirs), key, data) };
      const payload = Buffer.from(JSON.stringify({ key, name, ...told }));
      const signature = this.#seal.sign(payload);
      const head = headers();
      if (signature !== null) head.set(SIGNATURE_HEADER, signature);
      message.respond(payload, { headers: head });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      refuse(reason);
      if (!(error instanceof BusUnavailableError)) this.#onProblem(`no secret ${name} for ${identity.node}: ${reason}`);
    } finally {
      this.#underWay--;
    }
  }
}

/** One token of a subject. */
function idOf(namespace: string, name: string): string {
  return subjectToken(`${namespace}/${name}`);
}

/** What a secret is sealed with: who may have it is no more to be changed than what it is. */
function ownerOf({ namespace, name, about }: Omit<StoredSecret, 'sealed'>): string {
  return JSON.stringify([namespace, name, about.changedAt, about.serviceAccounts]);
}

function stored(id: string, value: unknown): StoredSecret | null {
  const [namespace, name] = (tokenId(id) ?? '').split('/');
  const { about, sealed } = value as Partial<StoredSecret>;
  if (name === undefined || about === undefined || sealed === undefined) return null;
  return { namespace, name, about, sealed };
}

function labelsIn(value: unknown): Record<string, string> {
  const entries = Object.entries(typeof value === 'object' && value !== null ? value : {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function derive(secret: Uint8Array, what: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', what, 32));
}

function sharedKey(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  return derive(diffieHellman({ privateKey, publicKey }), 'weft secret to a proxy');
}

function spkiOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}

function publicOf(spki: string): KeyObject {
  return createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
}

/** `of`: what it cannot be taken away from. */
function encrypt(key: Uint8Array, of: string, data: SecretData): Sealed {
  const iv = randomBytes(12);
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(of));
  const bytes = Buffer.concat([cipher.update(JSON.stringify(data)), cipher.final()]);
  return {
    iv: iv.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    data: bytes.toString('base64'),
  };
}

/** Null: it is another key's, or not what was sealed. */
function decrypt(key: Uint8Array, of: string, { iv, tag, data }: Sealed): SecretData | null {
  try {
    const decipher = createDecipheriv(CIPHER, key, Buffer.from(iv, 'base64'), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(of)).setAuthTag(Buffer.from(tag, 'base64'));
    const text = Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]);
    return JSON.parse(text.toString()) as SecretData;
  } catch {
    // Which of the two it is cannot be told apart.
    return null;
  }
}
