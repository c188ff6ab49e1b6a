// How often one proxy's word reaches everybody: some changes at once, then one a second. Its last word always does.
const BURST = 5;
const EACH_MS = 1_000;

interface Allowance {
  left: number;
  at: number;
}

export class Pace {
  readonly #allowances = new Map<string, Allowance>();
  readonly #now: () => number;

  /** `now`: monotonic ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether it may change now, which is counted then. */
  take(proxy: string): boolean {
    const now = this.#now();
    const { left, at } = this.#allowances.get(proxy) ?? { left: BURST, at: now };
    const allowed = Math.min(BURST, left + (now - at) / EACH_MS);
    if (allowed < 1) return false;
    this.#allowances.set(proxy, { left: allowed - 1, at: now });
    return true;
  }

  /** Forgets those that have all of theirs again. */
  sweep(): void {
    const now = this.#now();
    for (const [proxy, { left, at }] of this.#allowances) {
      if (left + (now - at) / EACH_MS >= BURST) this.#allowances.delete(proxy);
    }
  }
}
