// Where the logs and the trust stand and how many proxies there are, told to everybody by one control plane every few seconds: so that a proxy
// that hears nothing knows that there is nothing, and a thousand do not ask NATS the same each.
import type { Msg } from 'nats';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import type { LogBounds } from './log/log-entry.ts';
import { CONFIG_LOG, ENDPOINT_LOG, HEADS_SUBJECT, TRUST_STREAM } from './subjects.ts';

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
  readonly #trusting = new Set<(version: number) => void>();
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
    const [trust, ...states] = await Promise.all([TRUST_STREAM, ...names].map((stream) => this.#link.stream(stream)));
    const logs: Record<string, LogBounds> = {};
    for (const [i, state] of states.entries()) {
      if (state !== null) logs[names[i]] = { created: state.created, first: state.first, last: state.last };
    }
    this.#link.nc.publish(HEADS_SUBJECT, JSON.stringify({ proxies, logs, trust: trust?.last ?? 0 }));
  }

  /** At once, to as many as there were when it was told last. Throws BusUnavailableError. */
  tellAgain(): Promise<void> {
    return this.tell(this.#proxies);
  }

  followTrust(listener: (version: number) => void): void {
    this.#trusting.add(listener);
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
    const { proxies, logs, trust } = told as { proxies: number; logs: unknown; trust: unknown };
    this.#proxies = Math.max(0, proxies);
    if (Number.isSafeInteger(trust)) for (const listener of this.#trusting) listener(trust as number);
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
