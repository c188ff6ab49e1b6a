// Waits for the first answer of a peer that has just been started.

import { get } from '../scenarios/entrants.ts';
import type { Stall } from '../stable.ts';
import type { MeasureSetting } from './setting.ts';

const SMALL = get(300);

/** Milliseconds from the start of its process. */
export async function readiness(stall: Stall, setting: MeasureSetting): Promise<number> {
  await setting.serves(stall, SMALL, null, 2);
  return performance.now() - stall.processes[0].startedAt;
}
