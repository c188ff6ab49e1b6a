// The configuration as this control plane knows it: followed from the log, never written anywhere else, so that any number of
// control planes agree. Answers reads also while NATS is away.
import { applyCommit, EMPTY_STATE } from '../bus/log/commit-format.ts';
import { type Bus, BusUnavailableError, type Commit, type ConfigState, type Subscription } from '../bus/types.ts';
import type { Resource } from '../core/config/resource.ts';

export interface StoreListener {
  /** Of each revision behind the first. `commit`: what led to it from the one before; null: another history, or several. */
  arrived?(revision: number, commit: Commit | null): void;
  /** A log that cannot be read, and the end of that (null). */
  damaged?(why: string | null): void;
}

export class Store {
  #state = EMPTY_STATE;
  #following: Promise<Subscription> | null = null;
  #damage = '';
  #opened = false;
  readonly #waiting = new Set<() => void>();
  readonly #on: StoreListener;

  private constructor(on: StoreListener) {
    this.#on = on;
  }

  /** Resolves when the newest revision is known, or that the log cannot be read. */
  static async open(bus: Bus, on: StoreListener = {}): Promise<Store> {
    const store = new Store(on);
    const damaged = Promise.withResolvers<void>();
    store.#following = bus.config.follow(null, {
      commit: (commit: Commit) => store.#advance(applyCommit(store.#state, commit), commit),
      state: (state: ConfigState) => store.#advance(state, null),
      damaged: (why) => {
        store.#damage = why ?? '';
        on.damaged?.(why);
        damaged.resolve();
      },
    });
    await Promise.race([store.#following, damaged.promise]);
    // Whoever closes the bus ends what waits for a log that is damaged.
    store.#following.catch(() => null);
    store.#opened = true;
    return store;
  }

  /** Why the log cannot be read, as a clause; '' = it can. */
  get damage(): string {
    return this.#damage;
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
    const subscription = await this.#following?.catch(() => null);
    await subscription?.close();
  }

  #advance(state: ConfigState, commit: Commit | null): void {
    this.#state = state;
    for (const done of [...this.#waiting]) done();
    if (this.#opened) this.#on.arrived?.(state.revision, commit);
  }
}

/** What the control plane put into the log it validated before. */
export function resourcesOf(state: ConfigState): Resource[] {
  return [...state.resources.values()] as Resource[];
}
