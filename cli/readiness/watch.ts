// Asks an application whether it is ready, again and again, and tells when it has become so or no longer is: only after as many
// answers in a row as its thresholds say, as probes of Kubernetes and of a WorkloadGroup do.

import { setTimeout as delay } from 'node:timers/promises';

export interface Probe {
  /** What it asks for, for people: 'GET http://127.0.0.1:3000/healthz'. */
  readonly what: string;
  /** Resolves with '' when the application is ready, else with why it is not, also when it is interrupted. */
  check(interrupted: AbortSignal): Promise<string>;
}

export interface Thresholds {
  /** Before the first check. */
  readonly delayMs: number;
  /** From the beginning of one check to that of the next. */
  readonly periodMs: number;
  /** How long one check may take. */
  readonly timeoutMs: number;
  /** So many failures in a row take the application out ... */
  readonly failures: number;
  /** ... and so many successes bring it in. */
  readonly successes: number;
}

export interface Watch {
  readonly stopped: AbortSignal;
  /** `fault`: of the last check, '' of one that succeeded. The next check waits for it. */
  changed(ready: boolean, fault: string): Promise<void>;
  /** Resolves after so long, or as soon as it is interrupted. Default: the system's clock. */
  wait?(ms: number, interrupted: AbortSignal): Promise<unknown>;
}

/** Resolves once it is stopped. At first nothing is known, and the first threshold that is reached is told. */
export async function watchReadiness(probe: Probe, thresholds: Thresholds, watch: Watch): Promise<void> {
  const { delayMs, periodMs, timeoutMs, failures, successes } = thresholds;
  const { stopped, changed, wait = waitFor } = watch;
  let ready: boolean | null = null;
  let succeeded = false;
  let row = 0;
  if (delayMs > 0) await wait(delayMs, stopped);
  while (!stopped.aborted) {
    const period = wait(periodMs, stopped);
    const fault = await checkInTime(probe, timeoutMs, stopped);
    if (stopped.aborted) return;
    const success = fault === '';
    row = success === succeeded ? row + 1 : 1;
    succeeded = success;
    if (ready !== success && row >= (success ? successes : failures)) {
      ready = success;
      await changed(success, fault);
    }
    await period;
  }
}

async function checkInTime(probe: Probe, timeoutMs: number, stopped: AbortSignal): Promise<string> {
  const late = AbortSignal.timeout(timeoutMs);
  const fault = await probe.check(AbortSignal.any([stopped, late]));
  return fault !== '' && late.aborted ? `no answer within ${timeoutMs / 1000} s` : fault;
}

function waitFor(ms: number, interrupted: AbortSignal): Promise<unknown> {
  return delay(ms, null, { signal: interrupted }).catch(() => null);
}
