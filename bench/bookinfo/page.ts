// The page that is asked for, and waiting until all of it is there: productpage answers 200 also without its parts.

import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../children.ts';

export const PAGE = '/productpage';
const PARTS = ['ISBN-10', 'color="red"', 'reviews-v3'];
/** In a row: proxies hear of each other one after the other. */
const COMPLETE = 3;
const READY_MS = 60_000;

/** Rejects with what the page lacks after a minute, or when one of the processes has ended. */
export async function untilComplete(origin: string, processes: readonly Child[]): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (let complete = 0; complete < COMPLETE; ) {
    const lacking = await lacks(`${origin}${PAGE}`);
    complete = lacking === null ? complete + 1 : 0;
    if (lacking === null) continue;
    const gone = processes.find((child) => !child.alive());
    if (gone !== undefined) throw new Error(`a process of Bookinfo ended: ${gone.output()}`);
    if (performance.now() > deadline) throw new Error(`Bookinfo's page is not complete: ${lacking}`);
    await delay(50);
  }
}

function lacks(url: string): Promise<string | null> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 5000 }, async (response) => {
      const page = await text(response).catch((error: Error) => error.message);
      const missing = PARTS.filter((part) => !page.includes(part));
      resolve(missing.length === 0 ? null : `${response.statusCode} without ${missing.join(', ')}`);
    });
    request.on('timeout', () => request.destroy(new Error('no answer in 5 s')));
    request.on('error', (error) => resolve(error.message));
  });
}
