// Work that is long in a large mesh, done a step at a time, so that a thread that serves requests serves them in between.

import { setImmediate } from 'node:timers/promises';

/** One step is done: whoever runs it may do something else before the next. */
export type Steps<Result> = Generator<void, Result>;

/** How long requests may wait for work that can wait. */
const SLICE_MS = 2;

export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Null: it was `stopped` before its end. */
export async function inSlices<Result>(steps: Steps<Result>, stopped: () => boolean): Promise<Result | null> {
  for (;;) {
    const end = performance.now() + SLICE_MS;
    do {
      const { done, value } = steps.next();
      if (done === true) return value;
    } while (performance.now() < end);
    await setImmediate();
    if (stopped()) return null;
  }
}
