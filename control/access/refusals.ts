// What clients with a token tried and may not, as lines of the control plane's log: so many a minute, and then how many more.

export interface RefusalsOptions {
  onLog(line: string): void;
  /** Ms, monotonic. */
  readonly now?: () => number;
}

const LINES = 30;
const WINDOW_MS = 60_000;

export class Refusals {
  readonly #onLog: (line: string) => void;
  readonly #now: () => number;
  #began = Number.NEGATIVE_INFINITY;
  #told = 0;
  #untold = 0;

  constructor({ onLog, now = () => performance.now() }: RefusalsOptions) {
    this.#onLog = onLog;
    this.#now = now;
  }

  /** `why`: one line. */
  tell(address: string, why: string): void {
    const now = this.#now();
    if (now - this.#began >= WINDOW_MS) {
      if (this.#untold > 0) this.#onLog(`${this.#untold} more requests were refused`);
      this.#began = now;
      this.#told = 0;
      this.#untold = 0;
    }
    if (this.#told >= LINES) {
      this.#untold++;
      return;
    }
    this.#told++;
    this.#onLog(`refused to ${address}: ${why}`);
  }
}
