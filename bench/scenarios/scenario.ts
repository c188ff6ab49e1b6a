// What a scenario is: who takes part, set up how, and what is asked of them. Types only.

import type { ClosedName, Traffic } from '../load/load.ts';
import type { Setup } from '../setups.ts';

export interface Entrant {
  /** As the figures name it: the peer's name, or that of a second one of the same peer ('weft-plain'). */
  readonly label: string;
  readonly peer: string;
  readonly setup: Setup;
}

interface Common {
  readonly name: string;
  /** One line for the reports. */
  readonly about: string;
  readonly entrants: readonly Entrant[];
}

interface Load extends Common {
  readonly traffic: Traffic;
  /** Requests per second of the open loop; 0: none. */
  readonly rate: number;
  /** 'patient' for requests that take so long that those under way at the end matter. */
  readonly closed: ClosedName;
  /** Multiplies the seconds of each round. */
  readonly length: number;
  /** Requests that everybody answers, unmeasured, before the first round: code that is compiled as it runs has run often enough. */
  readonly warm: number;
  /** What an answer must carry to prove that the filters ran. */
  readonly proof: string | null;
}

/** The same request again and again: in a closed loop for its cost, at a fixed rate for its latency. */
export interface LoadScenario extends Load {
  readonly kind: 'load';
}

/** The same of peers with one thread and with several. */
export interface ScalingScenario extends Load {
  readonly kind: 'scaling';
}

/** Memory and processor time while nobody asks anything. */
export interface IdleScenario extends Common {
  readonly kind: 'idle';
}

/** From the start of a process to its first answer. */
export interface StartScenario extends Common {
  readonly kind: 'start';
}

/** From the writing of a changed configuration to the first answer by it. */
export interface ApplyScenario extends Common {
  readonly kind: 'apply';
}

/** Memory over time under load. */
export interface SoakScenario extends Common {
  readonly kind: 'soak';
  readonly traffic: Traffic;
  /** Seconds are this many times those of a round, unless the run says how many. */
  readonly length: number;
  /** Requests per second when the run says for how long; otherwise as many as go. */
  readonly rate: number;
}

export type Scenario = LoadScenario | ScalingScenario | IdleScenario | StartScenario | ApplyScenario | SoakScenario;
