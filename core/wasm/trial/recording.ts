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

/** Of each sort: what happens oftener, or takes more room, is counted and not shown. */
const MOST = 10_000;
const MOST_BYTES = 1024 * 1024;
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
  private readonly dropped = {
    'lines of its log': 0,
    'calls of the host': 0,
    'properties that it asked for': 0,
    actions: 0,
  };
  private logBytes = 0;
  private callBytes = 0;
  private pathBytes = 0;
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
    this.logBytes = 0;
    this.callBytes = 0;
    this.pathBytes = 0;
    for (const sort of SORTS) this.dropped[sort] = 0;
  }

  /** What was too much to be written down, a line for each sort. */
  left(): string[] {
    return SORTS.filter((sort) => this.dropped[sort] > 0).map(
      (sort) => `${this.dropped[sort]} more ${sort} are not shown`,
    );
  }

  hostCall(name: string, args: () => readonly HostArgument[]): void {
    if (this.calls.length >= MOST || this.callBytes >= MOST_BYTES) {
      this.dropped['calls of the host']++;
      return;
    }
    const call = { name, args: args() };
    for (const arg of call.args) this.callBytes += sizeOf(arg);
    this.calls.push(call);
  }

  returned(callback: string, result: number | undefined): void {
    this.count(callback);
    if (!ACTIONS.test(callback)) return;
    if (this.actions.length >= MOST) this.dropped.actions++;
    else this.actions.push({ callback, action: (result ?? 0) === 0 ? 'continue' : 'pause' });
  }

  trapped(callback: string, reason: string): void {
    this.count(callback);
    this.trap ??= `${callback}: ${reason}`;
  }

  log(level: number, message: string): void {
    this.logBytes += message.length;
    if (this.logs.length >= MOST || this.logBytes > MOST_BYTES) this.dropped['lines of its log']++;
    else this.logs.push({ level: LEVELS[level], message });
  }

  property(path: string): Uint8Array | undefined {
    if (!this.asked.has(path)) {
      this.pathBytes += path.length;
      if (this.asked.size >= MOST || this.pathBytes > MOST_BYTES) this.dropped['properties that it asked for']++;
      else this.asked.add(path);
    }
    return this.given.get(path);
  }

  private count(callback: string): void {
    this.callbacks.set(callback, (this.callbacks.get(callback) ?? 0) + 1);
  }
}

const SORTS = ['actions', 'lines of its log', 'calls of the host', 'properties that it asked for'] as const;

function sizeOf(arg: HostArgument): number {
  if (typeof arg === 'number') return 8;
  if (typeof arg === 'string') return arg.length;
  let size = 8;
  for (const [name, value] of arg) size += name.length + value.length;
  return size;
}
