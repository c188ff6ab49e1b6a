// The observer that writes down what a guest did, within limits.

import { GuestLog } from '../abi/abi.ts';
import type { HostArgument, Observer } from '../abi/observer.ts';

export interface RecordedAction {
  readonly callback: string;
  readonly action: 'continue' | 'pause';
}

export interface RecordedLog {
  readonly level: string;
  readonly message: string;
}

export interface RecordedCall {
  readonly name: string;
  readonly args: readonly HostArgument[];
}

const MOST = 10_000;
const LEVELS = Object.keys(GuestLog).map((name) => name.toLowerCase());
const ACTIONS = /^proxy_on_(new_connection|(down|up)stream_data|(request|response)_(headers|body|trailers))$/;

export class Recording implements Observer {
  actions: RecordedAction[] = [];
  logs: RecordedLog[] = [];
  calls: RecordedCall[] = [];
  /** Paths that were asked for, each once, in order. */
  readonly asked = new Set<string>();
  /** Callback and reason of the first trap. */
  trap: string | null = null;
  /** How often each callback ran. */
  readonly callbacks = new Map<string, number>();
  /** Properties that are answered, by path with dots. */
  given: ReadonlyMap<string, Uint8Array>;

  constructor(given: ReadonlyMap<string, Uint8Array>) {
    this.given = given;
  }

  /** A new page: what follows is written apart from what was, and `given` is answered. Callbacks are counted on. */
  begin(given: ReadonlyMap<string, Uint8Array>): void {
    this.given = given;
    this.actions = [];
    this.logs = [];
    this.calls = [];
    this.asked.clear();
    this.trap = null;
  }

  hostCall(name: string, args: readonly HostArgument[]): void {
    if (this.calls.length < MOST) this.calls.push({ name, args });
  }

  returned(callback: string, result: number | undefined): void {
    this.count(callback);
    if (!ACTIONS.test(callback) || this.actions.length >= MOST) return;
    this.actions.push({ callback, action: (result ?? 0) === 0 ? 'continue' : 'pause' });
  }

  trapped(callback: string, reason: string): void {
    this.count(callback);
    this.trap ??= `${callback}: ${reason}`;
  }

  log(level: number, message: string): void {
    if (this.logs.length < MOST) this.logs.push({ level: LEVELS[level], message });
  }

  property(path: string): Uint8Array | undefined {
    if (this.asked.size < MOST) this.asked.add(path);
    return this.given.get(path);
  }

  private count(callback: string): void {
    this.callbacks.set(callback, (this.callbacks.get(callback) ?? 0) + 1);
  }
}
