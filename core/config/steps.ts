// Work that goes in steps, so that whoever waits for it decides whether anything else may happen in between: a control plane
// answers others while it reads a large text.
import { setImmediate as turn } from 'node:timers/promises';

/** Yields where it may be paused; its result at the end. */
export type Steps<Result> = Generator<void, Result, void>;

/** How long an event loop may be kept from others. */
const SLICE_MS = 10;

export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Lets others have their turn now and then. */
export async function inSlices<Result>(steps: Steps<Result>): Promise<Result> {
  for (let began = performance.now(); ; ) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - began < SLICE_MS) continue;
    await turn();
    began = performance.now();
  }
}
