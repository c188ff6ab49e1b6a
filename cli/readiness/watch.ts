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
  const checks = new Checks(probe, timeoutMs, stopped);
  let ready: boolean | null = null;
  let succeeded = false;
  let row = 0;
  if (delayMs > 0) await wait(delayMs, stopped);
  while (!stopped.aborted) {
    const period = wait(periodMs, stopped);
    const fault = await checks.next();
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

/** One after the other, each in its time: who cannot be interrupted is not waited for, and not asked once more meanwhile. */
class Checks {
  private readonly probe: Probe;
  private readonly timeoutMs: number;
  private readonly stopped: AbortSignal;
  private underWay = false;

  constructor(probe: Probe, timeoutMs: number, stopped: AbortSignal) {
    this.probe = probe;
    this.timeoutMs = timeoutMs;
    this.stopped = stopped;
  }

  /** Resolves as a probe's check does; one that throws has failed. */
  async next(): Promise<string> {
    if (this.underWay) return 'the check before has not ended';
    const late = AbortSignal.timeout(this.timeoutMs);
    const interrupted = AbortSignal.any([this.stopped, late]);
    const over = Promise.withResolvers<string>();
    interrupted.addEventListener('abort', () => over.resolve('it was interrupted'), { once: true });
    const fault = await Promise.race([this.check(interrupted), over.promise]);
    return fault !== '' && late.aborted ? `no answer within ${this.timeoutMs / 1000} s` : fault;
  }

  private async check(interrupted: AbortSignal): Promise<string> {
    this.underWay = true;
    try {
      return await this.probe.check(interrupted);
    } catch (error) {
      return (error as Error).message;
    } finally {
      this.underWay = false;
    }
  }
}

function waitFor(ms: number, interrupted: AbortSignal): Promise<unknown> {
  return delay(ms, null, { signal: interrupted }).catch(() => null);
}
