// How a proxy asks for its workload's certificate, and what the mesh trusts. Who asks is in the subject, which its user of NATS
// may publish to and no other; nothing that the request says counts for that.
import { setImmediate as turn } from 'node:timers/promises';
import { headers, type Msg } from 'nats';
import type { Certificates, Revoked, SignedCertificate, Trust } from './certificate-types.ts';
import type { Heads } from './heads.ts';
import { store } from './jetstream.ts';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import { CERTIFICATE_PREFIX, everybody, identityOf, subjectOf, TRUST_STREAM, TRUST_SUBJECT } from './subjects.ts';
import { BusUnavailableError, type ProxyIdentity } from './types.ts';

const MAX_CSR_BYTES = 8 * 1024;
/** Asked for and not yet answered, above which who asks is told to come again: a whole mesh may ask at once. */
const MAX_WAITING = 2_000;
/** Signed without a pause, some 5 ms. */
const AT_ONCE = 8;
/** A control plane that has just started reads its keys first. */
const ANSWER_MS = 10_000;

type Sign = Parameters<Certificates['answer']>[0];

export interface CertificatesOptions {
  readonly link: Link;
  readonly heads: Heads;
  /** Of a proxy. */
  readonly identity?: ProxyIdentity;
  /** Within how long all should do what a change of the trust asks of them. */
  spreadMs(): number;
  onProblem(message: string): void;
}

export class NatsCertificates implements Certificates {
  readonly #link: Link;
  readonly #heads: Heads;
  readonly #identity: ProxyIdentity | undefined;
  readonly #spreadMs: () => number;
  readonly #onProblem: (message: string) => void;
  readonly #waiting: Msg[] = [];
  #answering = false;

  constructor({ link, heads, identity, spreadMs, onProblem }: CertificatesOptions) {
    this.#link = link;
    this.#heads = heads;
    this.#identity = identity;
    this.#spreadMs = spreadMs;
    this.#onProblem = onProblem;
  }

  async request(csr: string): Promise<SignedCertificate> {
    const subject = subjectOf(CERTIFICATE_PREFIX, this.#identity!);
    const answer = await this.#link.request(subject, csr, undefined, ANSWER_MS);
    const { chain, roots, revoked, trust, error } = jsonObject(answer.data) ?? {};
    if (typeof chain === 'string' && typeof roots === 'string') {
      return { chain, roots, revoked: objectOf(revoked, isSecond), trust: Number(trust) || 0 };
    }
    throw new Error(typeof error === 'string' ? error : 'what the control plane answered is no certificate');
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
      const {
        roots,
        signing = '',
        intermediate = '',
        revoked,
      } = (standing === null ? null : jsonObject(standing.data)) ?? {};
      const version = standing?.sequence ?? 0;
      if (typeof roots === 'string' && typeof signing === 'string' && typeof intermediate === 'string') {
        return { roots, signing, intermediate, revoked: objectOf(revoked, isRevocation), version };
      }
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
    const head = headers();
    head.set('Nats-Expected-Last-Subject-Sequence', String(version));
    return store(this.#link, TRUST_SUBJECT, JSON.stringify({ roots, signing, intermediate, revoked }), head);
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
      if (!this.#link.closed) message.respond(JSON.stringify(signed));
    } catch (error) {
      if (this.#link.closed) return;
      const reason = error instanceof Error ? error.message : String(error);
      refuse(message, reason);
      if (!(error instanceof BusUnavailableError)) this.#onProblem(`no certificate for ${identity.node}: ${reason}`);
    }
  }
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
