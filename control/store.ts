// The configuration as this control plane knows it: followed from the log, never written anywhere else, so that any number of
// control planes agree. Answers reads also while NATS is away.
import { applyCommit, EMPTY_STATE } from '../bus/commit-format.ts';
import { type Bus, BusUnavailableError, type Commit, type ConfigState, type Subscription } from '../bus/types.ts';
import type { Resource } from '../core/config/resource.ts';

export class Store {
  #state = EMPTY_STATE;
  #subscription: Subscription | null = null;
  #opened = false;
  readonly #waiting = new Set<() => void>();
  readonly #onRevision: (revision: number) => void;

  private constructor(onRevision: (revision: number) => void) {
    this.#onRevision = onRevision;
  }

  /** Resolves when the newest revision is known; `onRevision` hears of each one that arrives after it. */
  static async open(bus: Bus, onRevision: (revision: number) => void): Promise<Store> {
    const store = new Store(onRevision);
    store.#subscription = await bus.config.follow(null, {
      commit: (commit: Commit) => store.#advance(applyCommit(store.#state, commit)),
      state: (state: ConfigState) => store.#advance(state),
    });
    store.#opened = true;
    return store;
  }

  get state(): ConfigState {
    return this.#state;
  }

  /** Resolves when a revision has arrived. Throws BusUnavailableError when it does not within `ms`. */
  async reach(revision: number, ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.#state.revision < revision) {
      const left = deadline - performance.now();
      if (left <= 0)
        throw new BusUnavailableError(`revision ${revision} has not arrived from NATS within ${ms} ms`, 'unknown');
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, left);
        this.#waiting.add(done);
      });
    }
  }

  async close(): Promise<void> {
    await this.#subscription?.close();
  }

  #advance(state: ConfigState): void {
    this.#state = state;
    for (const done of [...this.#waiting]) done();
    if (this.#opened) this.#onRevision(state.revision);
  }
}

/** What the control plane put into the log it validated before. */
export function resourcesOf(state: ConfigState): Resource[] {
  return [...state.resources.values()] as Resource[];
}
