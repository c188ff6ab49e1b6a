// How a proxy asks for its workload's certificate, and what the mesh trusts. Who asks is in the subject, which its user of NATS
// may publish to and no other; nothing that the request says counts for that. Answers and what is trusted are signed as commits are: who
// operates NATS says neither whom to believe nor who anybody is.
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { headers, type Msg, type MsgHdrs } from 'nats';
import type { Certificates, Revoked, SignedCertificate, Trust } from './certificate-types.ts';
import type { Heads } from './heads.ts';
import { store } from './jetstream.ts';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import { type Seal, SIGNATURE_HEADER } from './log/commit-format.ts';
import { CERTIFICATE_PREFIX, everybody, identityOf, subjectOf, TRUST_STREAM, TRUST_SUBJECT } from './subjects.ts';
import { BusUnavailableError, type ProxyIdentity } from './types.ts';

const MAX_CSR_BYTES = 8 * 1024;
/** Asked for and not yet answered, above which who asks is told to come again: a whole mesh may ask at once. */
const MAX_WAITING = 2_000;
/** Signed without a pause, some 5 ms. */
const AT_ONCE = 8;
/** A control plane that has just started reads its keys first. */
const ANSWER_MS = 10_000;

/** What one key signs: none of these passes for the other. */
const CERTIFICATE = 'certificate';
const TRUST = 'trust';

const FORGED = `what NATS has of whom this mesh trusts is signed by no control plane of it, and is not what stood here last: nobody gets a certificate before the stream ${TRUST_STREAM} is purged`;

type Sign = Parameters<Certificates['answer']>[0];

export interface CertificatesOptions {
  readonly link: Link;
  readonly heads: Heads;
  readonly seal: Seal;
  /** Of a proxy. */
  readonly identity?: ProxyIdentity;
  /** Within how long all should do what a change of the trust asks of them. */
  spreadMs(): number;
  onProblem(message: string): void;
}

export class NatsCertificates implements Certificates {
  readonly #link: Link;
  readonly #heads: Heads;
  readonly #seal: Seal;
  readonly #identity: ProxyIdentity | undefined;
  readonly #spreadMs: () => number;
  readonly #onProblem: (message: string) => void;
  readonly #waiting: Msg[] = [];
  #answering = false;

  constructor({ link, heads, seal, identity, spreadMs, onProblem }: CertificatesOptions) {
    this.#link = link;
    this.#heads = heads;
    this.#seal = seal;
    this.#identity = identity;
    this.#spreadMs = spreadMs;
    this.#onProblem = onProblem;
  }

  async request(csr: string): Promise<SignedCertificate> {
    const subject = subjectOf(CERTIFICATE_PREFIX, this.#identity!);
    const answer = await this.#link.request(subject, csr, undefined, ANSWER_MS);
    const { kind, csr: of, chain, roots, revoked, trust, error } = jsonObject(answer.data) ?? {};
    if (typeof error === 'string') throw new Error(error);
    // Not to another request, and of nobody but a control plane.
    if (!this.#seal.holds(answer.data, answer.headers) || kind !== CERTIFICATE || of !== digestOf(csr)) {
      throw new Error('what was answered is of no control plane');
    }
    if (typeof chain === 'string' && typeof roots === 'string') {
      return { chain, roots, revoked: objectOf(revoked, isSecond), trust: Number(trust) || 0 };
    }
    throw new Error('what the control plane answered is no certificate');
  }

  answer(sign: Sign): void {
    this.#link.nc.subscribe(everybody(CERTIFICATE_PREFIX), {
      queue: 'weft-control',
      callback: (_, message) => this.#asked(message, sign),
    });
  }

  async trusted(own: Omit<Trust, 'version'>): Promise<Trust> {
    for (;;) {
      const standing = await this.#link.get(TRUST_STREAM, { last_by_subj: TRUST_SUBJECT });
      const version = standing?.sequence ?? 0;
      const found = standing === null ? null : trustIn(jsonObject(standing.data) ?? {});
      if (found?.signed === true && this.#seal.holds(standing!.data, standing!.headers)) {
        return { ...found.trust, version };
      }
      if (found !== null && found.trust.roots.trim() !== own.roots.trim()) throw new Error(FORGED);
      // Earlier versions signed none; but it may be of whoever operates NATS, so nothing of what it says is signed now.
      const made = await this.#put({ ...own, version });
      // Else another control plane was first.
      if (made !== null) return { ...own, version: made };
    }
  }

  async retrust(trust: Trust): Promise<boolean> {
    if ((await this.#put(trust)) === null) return false;
    // They are told of it again in any case.
    await this.#heads.tellAgain().catch((error: unknown) => {
      if (!(error instanceof BusUnavailableError)) throw error;
    });
    return true;
  }

  onTrust(listener: (version: number) => void): void {
    this.#heads.followTrust((version) => {
      setTimeout(() => listener(version), Math.random() * this.#spreadMs()).unref();
    });
  }

  #put({ roots, signing, intermediate, revoked, version }: Trust): Promise<number | null> {
    const [payload, head] = this.#signed({ kind: TRUST, roots, signing, intermediate, revoked });
    head.set('Nats-Expected-Last-Subject-Sequence', String(version));
    return store(this.#link, TRUST_SUBJECT, payload, head);
  }

  #signed(value: object): [payload: Buffer, head: MsgHdrs] {
    const payload = Buffer.from(JSON.stringify(value));
    const head = headers();
    const signature = this.#seal.sign(payload);
    if (signature !== null) head.set(SIGNATURE_HEADER, signature);
    return [payload, head];
  }

  #asked(message: Msg, sign: Sign): void {
    if (message.data.byteLength > MAX_CSR_BYTES) refuse(message, 'the request is too large');
    else if (this.#waiting.length >= MAX_WAITING) refuse(message, 'too many ask at the same time');
    else this.#waiting.push(message);
    if (!this.#answering) void this.#answerAll(sign);
  }

  /** In the order in which they came, some at a time: nobody else waits for all of them. */
  async #answerAll(sign: Sign): Promise<void> {
    this.#answering = true;
    while (this.#waiting.length > 0 && !this.#link.closed) {
      await Promise.all(this.#waiting.splice(0, AT_ONCE).map((message) => this.#answer(message, sign)));
      await turn();
    }
    this.#answering = false;
  }

  async #answer(message: Msg, sign: Sign): Promise<void> {
    const identity = identityOf(CERTIFICATE_PREFIX, message.subject);
    if (identity === null) return;
    try {
      const signed = await sign(identity, message.string());
      const answer = { kind: CERTIFICATE, csr: digestOf(message.string()), ...signed };
      const [payload, head] = this.#signed(answer);
      if (!this.#link.closed) message.respond(payload, { headers: head });
    } catch (error) {
      if (this.#link.closed) return;
      const reason = error instanceof Error ? error.message : String(error);
      refuse(message, reason);
      if (!(error instanceof BusUnavailableError)) this.#onProblem(`no certificate for ${identity.node}: ${reason}`);
    }
  }
}

/** What a stored message says; null: nothing of trust. */
function trustIn({ kind, roots, signing = '', intermediate = '', revoked }: Record<string, unknown>) {
  if (typeof roots !== 'string' || !isFingerprint(signing) || !isFingerprint(intermediate)) return null;
  return {
    signed: kind === TRUST,
    trust: { roots, signing, intermediate, revoked: objectOf(revoked, isRevocation) },
  };
}

/** Or ''. Control planes name folders so: it is nothing else, whoever says it. */
function isFingerprint(given: unknown): given is string {
  return typeof given === 'string' && /^([0-9a-f]{64})?$/.test(given);
}

function digestOf(csr: string): string {
  return createHash('sha256').update(csr).digest('base64');
}

function refuse(message: Msg, error: string): void {
  message.respond(JSON.stringify({ error }));
}

/** What of it is one of those. */
function objectOf<Value>(given: unknown, is: (value: unknown) => value is Value): Record<string, Value> {
  const all = typeof given === 'object' && given !== null ? Object.entries(given) : [];
  return Object.fromEntries(all.filter((entry): entry is [string, Value] => is(entry[1])));
}

function isSecond(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isRevocation(value: unknown): value is Revoked[string] {
  const { since, until } = (value ?? {}) as Partial<Revoked[string]>;
  return isSecond(since) && isSecond(until);
}
