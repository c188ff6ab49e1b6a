// Commands that run until they are told to stop: by a signal, or by the end of the parent that started them with a channel.

export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'disconnect';

/** One Ctrl-C may arrive twice, from the terminal and from npm. */
const SAME_MS = 1_000;

/** Resolves at the first reason to stop. A second signal, later, ends the process at once. */
export function untilStopped(): Promise<StopReason> {
  return new Promise((resolve) => {
    let first = 0;
    const stop = (reason: StopReason): void => {
      const now = performance.now();
      if (first === 0) {
        first = now;
        resolve(reason);
      } else if (now - first > SAME_MS && reason !== 'disconnect') {
        process.exit(reason === 'SIGINT' ? 130 : 143);
      }
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
    if (process.channel !== undefined) {
      process.once('disconnect', () => stop('disconnect'));
      // Waiting for a parent's end is no reason to live.
      process.channel.unref();
    }
  });
}

/** Tells a parent that started this process with a channel that it serves now, and where. */
export function announce(ready: Readonly<Record<string, unknown>>): void {
  process.send?.({ ready });
}
