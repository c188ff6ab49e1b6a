// How a proxy asks for its workload's certificate, and what the mesh trusts. Who asks is in the subject, which its user of NATS
// may publish to and no other; nothing that the request says counts for that.
import { setImmediate as turn } from 'node:timers/promises';
import { headers, type Msg } from 'nats';
import { store } from './jetstream.ts';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import { CERTIFICATE_PREFIX, everybody, identityOf, subjectOf, TRUST_STREAM, TRUST_SUBJECT } from './subjects.ts';
import { BusUnavailableError, type Certificates, type ProxyIdentity, type SignedCertificate } from './types.ts';

const MAX_CSR_BYTES = 8 * 1024;
/** Asked for and not yet answered, above which who asks is told to come again: a whole mesh may ask at once. */
const MAX_WAITING = 2_000;
/** Signed without a pause, some 5 ms. */
const AT_ONCE = 8;
/** A control plane that has just started reads its keys first. */
const ANSWER_MS = 10_000;

type Sign = Parameters<Certificates['answer']>[0];

export class NatsCertificates implements Certificates {
  readonly #link: Link;
  readonly #identity: ProxyIdentity | undefined;
  readonly #onProblem: (message: string) => void;
  readonly #waiting: Msg[] = [];
  #answering = false;

  constructor(link: Link, identity: ProxyIdentity | undefined, onProblem: (message: string) => void) {
    this.#link = link;
    this.#identity = identity;
    this.#onProblem = onProblem;
  }

  async request(csr: string): Promise<SignedCertificate> {
    const subject = subjectOf(CERTIFICATE_PREFIX, this.#identity!);
    const answer = await this.#link.request(subject, csr, undefined, ANSWER_MS);
    const { chain, roots, error } = jsonObject(answer.data) ?? {};
    if (typeof chain === 'string' && typeof roots === 'string') return { chain, roots };
    throw new Error(typeof error === 'string' ? error : 'what the control plane answered is no certificate');
  }

  answer(sign: Sign): void {
    this.#link.nc.subscribe(everybody(CERTIFICATE_PREFIX), {
      queue: 'weft-control',
      callback: (_, message) => this.#asked(message, sign),
    });
  }

  async trusted(own: string): Promise<string> {
    for (;;) {
      const standing = await this.#link.get(TRUST_STREAM, { last_by_subj: TRUST_SUBJECT });
      const roots = standing === null ? null : jsonObject(standing.data)?.roots;
      if (typeof roots === 'string') return roots;
      const head = headers();
      head.set('Nats-Expected-Last-Subject-Sequence', String(standing?.sequence ?? 0));
      // Else another control plane was first.
      if ((await store(this.#link, TRUST_SUBJECT, JSON.stringify({ roots: own }), head)) !== null) return own;
    }
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
