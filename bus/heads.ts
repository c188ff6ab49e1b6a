// Where the logs stand and how many proxies there are, told to everybody by one control plane every few seconds: so that a proxy
// that hears nothing knows that there is nothing, and a thousand do not ask NATS the same each.
import type { Msg } from 'nats';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import type { LogBounds } from './log-entry.ts';
import { CONFIG_LOG, ENDPOINT_LOG, HEADS_SUBJECT } from './subjects.ts';

/** How often it is told; followers wait longer before they ask themselves. */
export const HEADS_MS = 10_000;
/** What all do at once, such as coming back after an outage, they do within so long for each that there is. */
const SPREAD_MS_PER_PROXY = 2;
/** Well below the time in which a proxy that does not come back is gone. */
const MAX_SPREAD_MS = 8_000;
const MAX_BYTES = 4_096;

export class Heads {
  readonly #link: Link;
  readonly #followers = new Map<string, Set<(bounds: LogBounds) => void>>();
  #proxies = 0;

  constructor(link: Link) {
    this.#link = link;
    link.nc.subscribe(HEADS_SUBJECT, { callback: (refused, message) => refused ?? this.#hear(message) });
  }

  /** How long a step of everybody should take, in ms. */
  get spreadMs(): number {
    return spreadOf(this.#proxies);
  }

  /** Throws BusUnavailableError. */
  async tell(proxies: number): Promise<void> {
    const names = [CONFIG_LOG.stream, ENDPOINT_LOG.stream];
    const states = await Promise.all(names.map((stream) => this.#link.stream(stream)));
    const logs: Record<string, LogBounds> = {};
    for (const [i, state] of states.entries()) {
      if (state !== null) logs[names[i]] = { created: state.created, first: state.first, last: state.last };
    }
    this.#link.nc.publish(HEADS_SUBJECT, JSON.stringify({ proxies, logs }));
  }

  follow(stream: string, listener: (bounds: LogBounds) => void): () => void {
    const listeners = this.#followers.get(stream) ?? new Set();
    this.#followers.set(stream, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Whatever else comes on this subject is an answer that a proxy led here, and has another shape. */
  #hear(message: Msg): void {
    const told = message.data.byteLength > MAX_BYTES || message.headers !== undefined ? null : jsonObject(message.data);
    if (told === null || !Number.isSafeInteger(told.proxies)) return;
    const { proxies, logs } = told as { proxies: number; logs: unknown };
    this.#proxies = Math.max(0, proxies);
    for (const [stream, listeners] of this.#followers) {
      const bounds = boundsOf(logs, stream);
      if (bounds !== null) for (const listener of listeners) listener(bounds);
    }
  }
}

export function spreadOf(proxies: number): number {
  return Math.min(proxies * SPREAD_MS_PER_PROXY, MAX_SPREAD_MS);
}

function boundsOf(logs: unknown, stream: string): LogBounds | null {
  if (typeof logs !== 'object' || logs === null) return null;
  const bounds = (logs as Record<string, Partial<LogBounds> | undefined>)[stream];
  const whole = typeof bounds?.created === 'string' && Number.isSafeInteger(bounds.last);
  return whole ? (bounds as LogBounds) : null;
}
