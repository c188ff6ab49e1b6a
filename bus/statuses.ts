// What each proxy says about the newest revision it was given. Only the latest word counts. That all is well goes with its signs of
// life; what is wrong is stored, here while NATS is away and there for who comes later.

import { followBoard } from './board.ts';
import { jsonObject } from './json.ts';
import { type LifeSigns, readSign } from './life-signs.ts';
import type { Link } from './link.ts';
import { ownIdentity, STATUS_PREFIX, STATUS_STREAM, subjectOf } from './subjects.ts';
import type { ProxyIdentity, ProxyStatus, StatusBoard, Subscription } from './types.ts';

const MAX_STATUS_BYTES = 128 * 1024;
const MAX_PROBLEMS = 100;
const MAX_TOLD = 40_000;

export class NatsStatusBoard implements StatusBoard {
  readonly #link: Link;
  readonly #signs: LifeSigns;
  readonly #identity: ProxyIdentity | undefined;
  /** What the signs of life do not tell; null = nothing. */
  #wrong: { readonly subject: string; readonly data: Uint8Array } | null = null;

  constructor(link: Link, signs: LifeSigns, identity?: ProxyIdentity) {
    this.#link = link;
    this.#signs = signs;
    this.#identity = identity;
    // Whether the last word arrived before the connection broke is not known; it is said again.
    link.onUp(() => {
      if (this.#wrong !== null) this.#link.nc.publish(this.#wrong.subject, this.#wrong.data);
      else signs.show();
    });
  }

  report(status: ProxyStatus): void {
    const identity = ownIdentity(this.#identity, status.proxy);
    this.#wrong = null;
    if (this.#signs.say(status)) return;
    this.#wrong = { subject: subjectOf(STATUS_PREFIX, identity), data: encode(status) };
    if (this.#link.connected && !this.#link.closed) this.#link.nc.publish(this.#wrong.subject, this.#wrong.data);
  }

  async follow(onStatus: (status: ProxyStatus) => void): Promise<Subscription> {
    /** Signs that were told, by who gave them: each is repeated all the time, and newer than what is stored. */
    const told = new Map<string, string>();
    const ends = [
      this.#link.onUp(() => told.clear()),
      this.#signs.hear((from, said) => {
        const who = nameOf(from);
        if (said === '' || told.get(who) === said) return;
        const status = readSign(from.node, said);
        if (status === null) return;
        if (told.size >= MAX_TOLD) told.clear();
        told.set(who, said);
        onStatus({ ...status, from });
      }),
    ];
    const board = await followBoard(this.#link, STATUS_STREAM, STATUS_PREFIX, {
      value: (from, data, ageMs) => {
        const who = nameOf(from);
        if (ageMs === null) told.delete(who);
        else if (told.has(who)) return;
        const status = decode(data);
        if (status !== null && status.proxy === from.node) onStatus({ ...status, from });
      },
      complete: () => this.#signs.call(),
    });
    return {
      close: async () => {
        for (const end of ends) end();
        await board.close();
      },
    };
  }
}

function nameOf({ namespace, serviceAccount, node }: ProxyIdentity): string {
  return `${namespace}/${serviceAccount}/${node}`;
}

function encode(status: ProxyStatus): Uint8Array {
  let problems = status.problems.slice(0, MAX_PROBLEMS);
  for (;;) {
    const data = Buffer.from(JSON.stringify({ ...status, problems }));
    if (data.byteLength <= MAX_STATUS_BYTES || problems.length === 0) return data;
    problems = problems.slice(0, Math.floor(problems.length / 2));
  }
}

function decode(data: Uint8Array): ProxyStatus | null {
  const value = jsonObject(data);
  if (value === null) return null;
  const { proxy, revision, ok, problems, shards, ms, time } = value;
  const whole =
    typeof proxy === 'string' &&
    Number.isSafeInteger(revision) &&
    typeof ok === 'boolean' &&
    Array.isArray(problems) &&
    typeof shards === 'number' &&
    typeof ms === 'number' &&
    typeof time === 'string';
  return whole ? { proxy, revision: revision as number, ok, problems, shards, ms, time } : null;
}
