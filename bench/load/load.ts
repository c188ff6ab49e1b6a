// What a load generator is. Types only.

import type { Scenario } from '../scenarios/scenario.ts';

export interface Load {
  readonly name: string;
  missing(): string | null;
  version(): string;
  /** Keeps all connections busy for `seconds` and tells what came back. Rejects when it cannot run at all. */
  run(origin: string, scenario: Scenario, seconds: number): Promise<LoadFigures>;
}

export interface LoadFigures {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Failed connects, reads and writes, time-outs, and answers of 400 and above. */
  readonly errors: number;
}
