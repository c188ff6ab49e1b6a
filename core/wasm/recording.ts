// The observer that writes down what a guest did, within limits.

import { GuestLog } from './abi.ts';
import type { HostArgument, Observer } from './observer.ts';

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
  readonly actions: RecordedAction[] = [];
  readonly logs: RecordedLog[] = [];
  readonly calls: RecordedCall[] = [];
  /** Paths that were asked for, each once, in order. */
  readonly asked = new Set<string>();
  /** Callback and reason of the first trap. */
  trap: string | null = null;
  private readonly given: ReadonlyMap<string, Uint8Array>;

  /** `given`: properties, by path with dots. */
  constructor(given: ReadonlyMap<string, Uint8Array>) {
    this.given = given;
  }

  hostCall(name: string, args: readonly HostArgument[]): void {
    if (this.calls.length < MOST) this.calls.push({ name, args });
  }

  returned(callback: string, result: number | undefined): void {
    if (!ACTIONS.test(callback) || this.actions.length >= MOST) return;
    this.actions.push({ callback, action: (result ?? 0) === 0 ? 'continue' : 'pause' });
  }

  trapped(callback: string, reason: string): void {
    this.trap ??= `${callback}: ${reason}`;
  }

  log(level: number, message: string): void {
    if (this.logs.length < MOST) this.logs.push({ level: LEVELS[level], message });
  }

  property(path: string): Uint8Array | undefined {
    if (this.asked.size < MOST) this.asked.add(path);
    return this.given.get(path);
  }
}
