// Last value of each proxy on one subject prefix: live messages as they come, and what the stream kept from before, read again
// after every reconnect. What leases and statuses have in common; knows neither.
import { setTimeout as delay } from 'node:timers/promises';
import type { Link } from './link.ts';
import { everybody, type Identity, identityOf } from './subjects.ts';
import { BusUnavailableError, type Subscription } from './types.ts';

export interface BoardReader {
  /** `ageMs`: by the server's clock, how much older than the stream's newest message; null for a live one. */
  value(from: Identity, data: Uint8Array, ageMs: number | null): void;
  /** What the stream holds was told, at first and after each reconnect. */
  complete(): void;
}

const PARALLEL_READS = 32;
const MAX_RETRY_MS = 2_000;

/** Resolves when the first complete set was told, however long NATS is away. Rejects when the bus is closed before. */
export async function followBoard(
  link: Link,
  stream: string,
  prefix: string,
  reader: BoardReader,
): Promise<Subscription> {
  let closed = false;
  /** Subjects heard live since the read in progress began: newer than anything it finds. */
  let heard = new Set<string>();
  let wanted = 0;
  let reading: Promise<void> | null = null;

  const subscription = link.nc.subscribe(everybody(prefix), {
    callback: (_, message) => {
      const from = identityOf(prefix, message.subject);
      if (from === null || closed) return;
      heard.add(message.subject);
      reader.value(from, message.data, null);
    },
  });

  const read = async (): Promise<void> => {
    for (let done = 0, retry = 50; done !== wanted && !closed; ) {
      const target = wanted;
      heard = new Set();
      try {
        await readStored();
        done = target;
      } catch (error) {
        if (!(error instanceof BusUnavailableError)) throw error;
        if (link.closed) throw error;
        retry = Math.min(retry * 2, MAX_RETRY_MS);
        await delay(retry);
      }
    }
  };

  const readStored = async (): Promise<void> => {
    const state = await link.stream(stream, everybody(prefix));
    if (state === null)
      throw new BusUnavailableError(`NATS has no stream ${stream} yet: the control plane has not run`);
    const subjects = [...state.subjects];
    const next = async (): Promise<void> => {
      for (let subject = subjects.pop(); subject !== undefined && !closed; subject = subjects.pop()) {
        const from = identityOf(prefix, subject);
        if (from === null || heard.has(subject)) continue;
        const message = await link.get(stream, { last_by_subj: subject });
        if (message === null || heard.has(subject) || closed) continue;
        reader.value(from, message.data, Math.max(0, state.lastTime - message.time));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_READS }, next));
    if (!closed) reader.complete();
  };

  const start = (): Promise<void> => {
    wanted++;
    reading ??= read().finally(() => {
      reading = null;
    });
    return reading;
  };

  const forget = link.onUp(() => {
    start().catch((error: unknown) => {
      if (!link.closed) throw error;
    });
  });
  const close = async (): Promise<void> => {
    closed = true;
    forget();
    if (!subscription.isClosed()) subscription.unsubscribe();
  };
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}
