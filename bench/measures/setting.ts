// What measuring a scenario needs from the run. Types only.

import type { PeerFigures } from '../figures.ts';
import type { Loads, Traffic } from '../load/load.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import type { Stable, Stall } from '../stable.ts';

export interface MeasureSetting {
  readonly loads: Loads;
  readonly stable: Stable;
  /** Rounds in which everybody has a turn. */
  readonly rounds: number;
  /** Of load for each in each round. */
  readonly seconds: number;
  /** Of a long soak; null: a short one as part of the run. */
  readonly soakSeconds: number | null;
  say(line: string): void;
  /** Waits until it serves this traffic as it should. Rejects with what it answers instead. */
  serves(stall: Stall, traffic: Traffic, proof: string | null, pauseMs?: number): Promise<void>;
  /** Takes somebody out of this scenario, and says why. */
  leaveOut(label: string, reason: string): void;
}

export type Measure<S extends Scenario> = (scenario: S, setting: MeasureSetting) => Promise<readonly PeerFigures[]>;
