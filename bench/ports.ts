// Loopback ports for programs that must be told theirs, and waiting until somebody answers there.

import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Resolves when `url` answers 200 with a body of `bytes`; rejects with the last answer after `timeoutMs`, or as soon
 * as `alive` says that nobody will ever answer.
 */
export async function answers(url: string, bytes: number, timeoutMs: number, alive: () => boolean): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const said = await ask(url);
    if (said === `200 with ${bytes} B`) return;
    if (!alive()) throw new Error(`its process ended; ${url} last said: ${said}`);
    if (Date.now() > deadline) throw new Error(`${url} was to answer 200 with ${bytes} B, last said: ${said}`);
    await delay(50);
  }
}

function ask(url: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 2000 }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => resolve(`${response.statusCode} with ${bytes} B`));
      response.on('error', (error) => resolve(error.message));
    });
    request.on('timeout', () => request.destroy(new Error('no answer in 2 s')));
    request.on('error', (error) => resolve(error.message));
  });
}
