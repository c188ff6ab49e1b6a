// A proxy's signs of life: one small message that nothing stores, with the revision it runs. It renews the lease and is the answer to
// a revision; what is longer, the lease itself and what is wrong with a revision, is stored and said only when it changes.
import type { Msg } from 'nats';
import type { Link } from './link.ts';
import { ALIVE_PREFIX, CALL_SUBJECT, everybody, identityOf, subjectOf } from './subjects.ts';
import type { ProxyIdentity, ProxyStatus } from './types.ts';

/** `said`: what it runs, as `readSign` reads it; '' = its stored status tells. */
type Listener = (from: ProxyIdentity, said: string) => void;

const MAX_SIGN_BYTES = 100;
const MAX_KNOWN = 40_000;
/** A proxy that is called again and again answers at most that often. */
const ANSWER_MS = 1_000;
/** Such an answer is less than coming back is. */
const ANSWERS_FASTER = 4;

export class LifeSigns {
  readonly #link: Link;
  readonly #subject: string;
  readonly #spreadMs: () => number;
  readonly #listeners = new Set<Listener>();
  /** Who speaks on a subject: worked out once. */
  readonly #known = new Map<string, ProxyIdentity>();
  #hearing = false;
  #said = '';
  #answer: NodeJS.Timeout | null = null;
  #answeredAt = Number.NEGATIVE_INFINITY;

  /** `spreadMs`: within how long all should answer a call. */
  constructor(link: Link, identity: ProxyIdentity | undefined, spreadMs: () => number) {
    this.#link = link;
    this.#spreadMs = spreadMs;
    this.#subject = identity === undefined ? '' : subjectOf(ALIVE_PREFIX, identity);
    const callback = (refused: Error | null, message: Msg) => refused ?? this.#called(message);
    if (identity !== undefined) link.nc.subscribe(CALL_SUBJECT, { callback });
  }

  /** From now on it says that it runs this, at first now. False when that cannot be said so shortly: a stored status has to. */
  say(status: ProxyStatus): boolean {
    const said = status.ok && status.problems.length === 0 ? signOf(status) : '';
    this.#said = SIGN.test(said) ? said : '';
    if (this.#said === '') return false;
    this.show();
    return true;
  }

  show(): void {
    if (this.#subject === '' || !this.#link.connected || this.#link.closed) return;
    this.#link.nc.publish(this.#subject, this.#said);
  }

  /** For control planes: hears everybody's. */
  hear(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (!this.#hearing) this.#link.nc.subscribe(everybody(ALIVE_PREFIX), { callback: (_, sign) => this.#heard(sign) });
    this.#hearing = true;
    return () => this.#listeners.delete(listener);
  }

  /** For control planes: whoever lives shall say so soon. */
  call(): void {
    if (this.#link.connected && !this.#link.closed) this.#link.nc.publish(CALL_SUBJECT);
  }

  #heard({ subject, data }: Msg): void {
    let from = this.#known.get(subject) ?? null;
    if (from === null) {
      from = identityOf(ALIVE_PREFIX, subject);
      if (from === null) return;
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(subject, from);
    }
    const said =
      data.byteLength > MAX_SIGN_BYTES ? '' : Buffer.from(data.buffer, data.byteOffset, data.byteLength).latin1Slice();
    for (const listener of this.#listeners) listener(from, said);
  }

  /** Whatever says something is an answer that another proxy led here. */
  #called({ data, headers }: Msg): void {
    if (data.byteLength > 0 || headers !== undefined || this.#answer !== null) return;
    const late = (Math.random() * this.#spreadMs()) / ANSWERS_FASTER;
    const wait = Math.max(late, this.#answeredAt + ANSWER_MS - performance.now());
    this.#answer = setTimeout(() => {
      this.#answer = null;
      this.#answeredAt = performance.now();
      this.show();
    }, wait);
    this.#answer.unref();
  }
}

const SIGN = /^(\d{1,15}) (\d{1,6}) (\d{1,9}(?:\.\d{1,3})?) ([\dTZ:.+-]{1,30})$/;

/** 'REVISION SHARDS MS TIME': a revision that runs, without a problem. */
function signOf({ revision, shards, ms, time }: ProxyStatus): string {
  return `${revision} ${shards} ${Math.round(ms * 1_000) / 1_000} ${time}`;
}

/** null for what is no such sign. */
export function readSign(proxy: string, said: string): ProxyStatus | null {
  const [, revision, shards, ms, time] = SIGN.exec(said) ?? [];
  if (time === undefined) return null;
  return {
    ...{ proxy, ok: true, problems: [], time },
    revision: Number(revision),
    shards: Number(shards),
    ms: Number(ms),
  };
}
