// How a thread shows that it is well: it has two words in shared memory, which the main thread's watchdog reads.
//
//   turn  odd while it works on something that must not take long; it grows with every beginning, end and beat of its heart
//   work  the number of what it works on

export const PULSE_WORDS = 2;
export const TURN = 0;
export const WORK = 1;
export const HEARTBEAT_MS = 100;

export function isWorking(turn: number): boolean {
  return (turn & 1) === 1;
}

/** The thread's side. */
export class Pulse {
  private readonly words: Int32Array;
  private readonly at: number;

  constructor(memory: SharedArrayBuffer, index: number) {
    this.words = new Int32Array(memory);
    this.at = index * PULSE_WORDS;
    // A thread that was killed in the middle left an odd number.
    if (isWorking(Atomics.load(this.words, this.at + TURN))) Atomics.add(this.words, this.at + TURN, 1);
  }

  begin(work: number): void {
    Atomics.store(this.words, this.at + WORK, work);
    Atomics.add(this.words, this.at + TURN, 1);
  }

  end(): void {
    Atomics.add(this.words, this.at + TURN, 1);
  }

  /** Every so often, between turns. */
  beat(): void {
    Atomics.add(this.words, this.at + TURN, 2);
  }
}
