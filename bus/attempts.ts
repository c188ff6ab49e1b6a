// What is asked of a cluster may meet nobody who leads: its leader died and the next one is being elected. Such a question is asked
// again, in short attempts within one deadline.
import { setTimeout as delay } from 'node:timers/promises';
import { BusUnavailableError } from './types.ts';

/** Nobody leads just now, or nobody answered in time: the same question may be answered a moment later. */
export class PassingError extends BusUnavailableError {}

/** Of JetStream: no quorum yet, not active, no leader; 10005: servers that a copy needs may still be joining. */
const PASSING: readonly (number | undefined)[] = [10004, 10005, 10006, 10008, 10009];
/** Of a server that has only just begun, and tidies its folders while streams come to it (seen on 2.15.1). */
const TIDYING = /no such file or directory$/;
const ATTEMPT_MS = 1_000;
const MAX_PAUSE_MS = 400;
/** A single server answers within that, or does not answer. */
const SINGLE_MS = 5_000;

export interface JetStreamError {
  readonly code: number;
  readonly err_code?: number;
  readonly description: string;
}

/** What JetStream answers in place of an answer, in words. */
export function refusal(what: string, { err_code, description }: JetStreamError): BusUnavailableError {
  const message = `NATS ${what}: ${description}`;
  const passes = PASSING.includes(err_code) || TIDYING.test(description);
  return passes ? new PassingError(message) : new BusUnavailableError(message);
}

/** Until `attempt`, which gets its time in ms, says something else than that it may be asked again. A single server gets one. */
export async function attempts<T>(
  { clustered }: { readonly clustered: boolean },
  ms: number,
  attempt: (ms: number) => Promise<T>,
  attemptMs = ATTEMPT_MS,
): Promise<T> {
  if (!clustered) return attempt(Math.min(ms, SINGLE_MS));
  const deadline = performance.now() + ms;
  for (let pause = 50; ; pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
    try {
      return await attempt(Math.min(attemptMs, Math.max(1, deadline - performance.now())));
    } catch (error) {
      if (!(error instanceof PassingError) || performance.now() + pause > deadline) throw error;
      await delay(pause);
    }
  }
}
