// Whether the log that NATS has is the one that was followed so far. Reads little, and only when there is a doubt.
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Kinship, Position } from '../types.ts';
import type { Head, LogBounds } from './log-entry.ts';

/** What comparing needs of the log. */
export interface Chain {
  /** Of one revision; null when the log does not have it. */
  mark(revision: number): Promise<Head | null>;
}

/** Throws BusUnavailableError. */
export async function compare(log: Chain, at: Position, { first, last }: LogBounds): Promise<Kinship> {
  if (at.revision === 0) return 'same';
  if (last >= at.revision && at.revision >= first) {
    if ((await log.mark(at.revision))?.digest === at.digest) return 'same';
  }
  const head = await log.mark(last);
  const epoch = head?.epoch ?? 0;
  if (epoch > at.epoch) return 'restored';
  if (epoch < at.epoch || last < at.revision || head === null) return 'other';
  // Trimmed: how it came to where it stands cannot be told any more.
  if (at.revision < first) return 'same';
  for (const [i, digest] of at.ancestors.entries()) {
    const revision = at.revision - 1 - i;
    if (revision < first) break;
    if ((await log.mark(revision))?.digest === digest) return 'fork';
  }
  return 'other';
}

type Resources = ReadonlyMap<string, unknown>;

/** Compared without a pause. */
const SLICE = 500;

/** Whether two configurations are alike. Works in slices. */
export async function isSame(one: Resources, other: Resources): Promise<boolean> {
  if (one.size !== other.size) return false;
  let at = 0;
  for (const [key, body] of one) {
    if (!other.has(key) || !isDeepStrictEqual(body, other.get(key))) return false;
    if (++at % SLICE === 0) await turn();
  }
  return true;
}
