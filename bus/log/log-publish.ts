// Puts a commit into the log, by compare-and-set, until it is known what became of it. A repeated publish is harmless: only one
// message can follow the parent, and the envelope's id tells whose it is.
import { setTimeout as delay } from 'node:timers/promises';
import { headers } from 'nats';
import { PassingError } from '../attempts.ts';
import { store } from '../jetstream.ts';
import type { Link } from '../link.ts';
import type { StoredMessage } from '../stored-message.ts';
import type { LogNames } from '../subjects.ts';
import { BusUnavailableError, ConflictError } from '../types.ts';
import { type Envelope, readEnvelope, type Seal, SIGNATURE_HEADER } from './commit-format.ts';
import type { LogBounds } from './log-entry.ts';

interface Parts {
  readonly link: Link;
  readonly names: LogNames;
  readonly seal: Seal;
  readonly log: {
    bounds(): Promise<LogBounds>;
    /** By the word of the stream's leader. */
    message(sequence: number): Promise<StoredMessage | null>;
  };
}

/** How long in all, and one attempt. */
const ALONE = { deadlineMs: 10_000, attemptMs: 2_000 };
/** Longer than it takes servers of a cluster to elect a leader, which is up to nine seconds. */
const CLUSTER = { deadlineMs: 15_000, attemptMs: 1_000 };
const PAUSE_MS = 100;

/** The commit's revision. Throws ConflictError, BusUnavailableError. */
export async function publishCommit(parts: Parts, payload: Uint8Array, envelope: Envelope): Promise<number> {
  const { link, log, seal } = parts;
  const { id, parent } = envelope;
  const { deadlineMs, attemptMs } = link.clustered ? CLUSTER : ALONE;
  const deadline = performance.now() + deadlineMs;
  for (let sent = false; ; await delay(PAUSE_MS)) {
    try {
      if ((await publishOnce(parts, payload, parent, attemptMs)) === parent + 1) return parent + 1;
      // The log is not at the parent; or the server numbered it otherwise, and there it counts for nothing.
      const { last } = await log.bounds();
      const winner = last > parent ? await log.message(parent + 1) : null;
      const standing = winner && readEnvelope(winner.data, winner.headers, parent + 1, seal);
      if (standing?.id === id) return parent + 1;
      throw new ConflictError(parent, last);
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) throw error;
      sent ||= error.outcome === 'unknown';
      if (!(sent || error instanceof PassingError) || link.closed) throw error;
      if (performance.now() > deadline) throw sent ? unconfirmed(deadlineMs, error) : error;
    }
  }
}

/** The new sequence, or null when the log is not at `parent`. */
function publishOnce(
  { link, names, seal }: Parts,
  payload: Uint8Array,
  parent: number,
  ms: number,
): Promise<number | null> {
  const head = headers();
  head.set('Nats-Expected-Stream', names.stream);
  // Of the whole stream: the last message may be damaged, and then it is not the last of its subject. 2.9 heeds no 0 there.
  head.set(parent === 0 ? 'Nats-Expected-Last-Subject-Sequence' : 'Nats-Expected-Last-Sequence', String(parent));
  const signature = seal.sign(payload);
  if (signature !== null) head.set(SIGNATURE_HEADER, signature);
  return store(link, names.commits, payload, head, ms);
}

function unconfirmed(ms: number, { message }: Error): BusUnavailableError {
  const within = `NATS did not confirm the change within ${ms / 1_000} s`;
  return new BusUnavailableError(`${within}, so it may or may not have been made: ${message}`, 'unknown');
}
