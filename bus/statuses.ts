// What each proxy says about the newest revision it was given. Only the latest word counts, so that is all that is kept, here
// while NATS is away and there for who comes later.

import { followBoard } from './board.ts';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import { ownIdentity, STATUS_PREFIX, STATUS_STREAM, subjectOf } from './subjects.ts';
import type { ProxyIdentity, ProxyStatus, StatusBoard, Subscription } from './types.ts';

const MAX_STATUS_BYTES = 128 * 1024;
const MAX_PROBLEMS = 100;

export class NatsStatusBoard implements StatusBoard {
  readonly #link: Link;
  readonly #identity: ProxyIdentity | undefined;
  readonly #latest = new Map<string, Uint8Array>();

  constructor(link: Link, identity?: ProxyIdentity) {
    this.#link = link;
    this.#identity = identity;
    // Whether the last word arrived before the connection broke is not known; it is said again.
    link.onUp(() => {
      for (const [subject, data] of this.#latest) this.#link.nc.publish(subject, data);
    });
  }

  report(status: ProxyStatus): void {
    const subject = subjectOf(STATUS_PREFIX, ownIdentity(this.#identity, status.proxy));
    const data = encode(status);
    this.#latest.set(subject, data);
    if (this.#link.connected && !this.#link.closed) this.#link.nc.publish(subject, data);
  }

  follow(onStatus: (status: ProxyStatus) => void): Promise<Subscription> {
    return followBoard(this.#link, STATUS_STREAM, STATUS_PREFIX, {
      value: (from, data) => {
        const status = decode(data);
        if (status !== null && status.proxy === from.node) onStatus({ ...status, from });
      },
      complete: () => {},
    });
  }
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
