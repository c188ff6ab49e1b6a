// What operators ask of a proxy: a control plane puts the question on the proxy's own subject, which that proxy alone hears, and the
// answer comes back in pieces on one that it alone may publish to.
//
//   piece   id of the question (36 bytes) | its number from 0 (2) | how many there are (2) | bytes
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Msg } from 'nats';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import { ANSWER_PREFIX, ASK_PREFIX, everybody, identityOf, subjectOf } from './subjects.ts';
import { type Answered, BusUnavailableError, type ProxyIdentity, type Question, type Questions } from './types.ts';

const ID_BYTES = 36;
const HEAD_BYTES = ID_BYTES + 4;
const PIECE_BYTES = 128 * 1024;
const MAX_PIECES = 128;
const ANSWER_MS = 10_000;
/** At a proxy, at the same time. */
const MAX_UNDER_WAY = 8;

interface Waiting {
  readonly from: string;
  readonly pieces: (Uint8Array | undefined)[];
  come: number;
  resolve(whole: Uint8Array): void;
}

export class NatsQuestions implements Questions {
  readonly #link: Link;
  readonly #identity: ProxyIdentity | undefined;
  readonly #waiting = new Map<string, Waiting>();
  #hears = false;
  #underWay = 0;

  constructor(link: Link, identity: ProxyIdentity | undefined) {
    this.#link = link;
    this.#identity = identity;
  }

  async ask(identity: ProxyIdentity, question: Question, waitMs = ANSWER_MS): Promise<Answered> {
    if (!this.#link.connected) throw new BusUnavailableError('NATS is not connected');
    this.#hear();
    const id = randomUUID();
    const over = new AbortController();
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    this.#waiting.set(id, { from: subjectOf(ANSWER_PREFIX, identity), pieces: [], come: 0, resolve });
    try {
      this.#link.nc.publish(subjectOf(ASK_PREFIX, identity), JSON.stringify({ id, ...question }));
      const late = delay(waitMs, null, { signal: over.signal }).catch(() => null);
      const whole = await Promise.race([promise, late]);
      const { status, type, body } = (whole === null ? null : jsonObject(whole)) ?? {};
      if (typeof status === 'number' && typeof type === 'string' && typeof body === 'string')
        return { status, type, body };
      throw new BusUnavailableError(`${identity.node} did not answer over NATS within ${waitMs / 1000} s`);
    } finally {
      over.abort();
      this.#waiting.delete(id);
    }
  }

  answer(reply: Parameters<Questions['answer']>[0]): void {
    this.#link.nc.subscribe(subjectOf(ASK_PREFIX, this.#identity!), {
      callback: (error, message) => {
        if (error === null) void this.#answer(message, reply);
      },
    });
  }

  async #answer(message: Msg, reply: Parameters<Questions['answer']>[0]): Promise<void> {
    const { id, method, path } = jsonObject(message.data) ?? {};
    if (typeof id !== 'string' || id.length !== ID_BYTES || typeof path !== 'string') return;
    if (this.#underWay >= MAX_UNDER_WAY) {
      const body = 'too many ask at the same time\n';
      this.#publish(id, Buffer.from(JSON.stringify({ status: 503, type: 'text/plain', body })));
      return;
    }
    this.#underWay++;
    try {
      const { after, ...answer } = await reply({ method: method === 'POST' ? 'POST' : 'GET', path });
      this.#publish(id, Buffer.from(JSON.stringify(answer)));
      await this.#link.flush().catch((error: unknown) => {
        if (!(error instanceof BusUnavailableError)) throw error;
      });
      // Also when nobody hears the answer any more.
      after?.();
    } finally {
      this.#underWay--;
    }
  }

  #publish(id: string, whole: Buffer): void {
    const count = Math.max(1, Math.ceil(whole.length / PIECE_BYTES));
    if (this.#link.closed || !this.#link.connected) return;
    if (count > MAX_PIECES) {
      const body = `the answer has ${whole.length} bytes, too many for NATS: ask at the admin of the proxy itself\n`;
      this.#publish(id, Buffer.from(JSON.stringify({ status: 413, type: 'text/plain', body })));
      return;
    }
    for (let n = 0; n < count; n++) {
      const head = Buffer.alloc(HEAD_BYTES);
      head.write(id, 'latin1');
      head.writeUInt16BE(n, ID_BYTES);
      head.writeUInt16BE(count, ID_BYTES + 2);
      const piece = Buffer.concat([head, whole.subarray(n * PIECE_BYTES, (n + 1) * PIECE_BYTES)]);
      this.#link.nc.publish(subjectOf(ANSWER_PREFIX, this.#identity!), piece);
    }
  }

  /** Answers to all control planes come to each; those of others are not its business. */
  #hear(): void {
    if (this.#hears) return;
    this.#hears = true;
    this.#link.nc.subscribe(everybody(ANSWER_PREFIX), {
      callback: (error, message) => {
        if (error === null) this.#heard(message);
      },
    });
  }

  #heard({ subject, data }: Msg): void {
    if (data.length < HEAD_BYTES || identityOf(ANSWER_PREFIX, subject) === null) return;
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    const waiting = this.#waiting.get(bytes.toString('latin1', 0, ID_BYTES));
    const n = bytes.readUInt16BE(ID_BYTES);
    const count = bytes.readUInt16BE(ID_BYTES + 2);
    if (waiting === undefined || waiting.from !== subject || n >= count || count > MAX_PIECES) return;
    if (waiting.pieces[n] !== undefined) return;
    waiting.pieces[n] = Uint8Array.from(bytes.subarray(HEAD_BYTES));
    waiting.come++;
    if (waiting.come === count) waiting.resolve(Buffer.concat(waiting.pieces as Uint8Array[]));
  }
}
