// Waiting for the first configuration of a proxy: soon it is said for what, and it has an end.
import type { Proxy as RunningProxy } from '../core/main/options.ts';
import { CliError, EXIT } from './exit.ts';
import { note } from './output.ts';

/** To connect takes a moment, however short the time is that an application has. */
const LEAST_MS = 1_000;
/** Most are ready long before. */
const TELL_MS = 2_000;

/** Resolves with undefined when it is ready, with what `stopped` resolves to when that is first. Throws CliError: too late. */
export async function untilReady<T>(
  proxy: Pick<RunningProxy, 'ready' | 'waiting'>,
  stopped: Promise<T>,
  timeoutMs: number,
  { tellMs, leastMs } = { tellMs: TELL_MS, leastMs: LEAST_MS },
): Promise<T | undefined> {
  const limitMs = Math.max(timeoutMs, leastMs);
  const limit = Promise.withResolvers<never>();
  const telling = setTimeout(() => note(`mesh: waits for its first configuration: ${proxy.waiting.reason}`), tellMs);
  const timer = setTimeout(() => {
    const { reason, refused } = proxy.waiting;
    limit.reject(
      new CliError(`not ready within ${limitMs / 1000} s: ${reason}`, refused ? EXIT.refused : EXIT.unreachable),
    );
  }, limitMs);
  try {
    return await Promise.race([proxy.ready.then(() => undefined), stopped, limit.promise]);
  } finally {
    clearTimeout(telling);
    clearTimeout(timer);
  }
}
