// Loopback ports for programs that must be told theirs, and waiting until somebody answers there.

import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:http2';
import { get as getByTls } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What an answer has to be. */
export interface Expected {
  /** null: any number. */
  readonly bytes: number | null;
  /** Of the request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Asked in HTTP/2 without asking whether it is spoken. */
  readonly h2?: boolean;
  /** 'name: value' that the answer must carry. */
  readonly proof?: string | null;
}

export interface Waiting {
  readonly timeoutMs: number;
  /** Between two questions. Default 50. */
  readonly pauseMs?: number;
  /** False: nobody will ever answer. */
  alive(): boolean;
}

/** A port that was free a moment ago. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  const server = createServer();
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves when `url` answers 200 as expected; rejects with the last answer after the time-out, or when nobody lives. */
export async function answers(url: string, expected: Expected, waiting: Waiting): Promise<void> {
  const { bytes, proof = null } = expected;
  const deadline = Date.now() + waiting.timeoutMs;
  const wanted = `200${bytes === null ? '' : ` with ${bytes} B`}${proof === null ? '' : ` and ${proof}`}`;
  for (;;) {
    const said = await (expected.h2 ? askH2 : ask)(url, expected);
    if (said === wanted) return;
    if (!waiting.alive()) throw new Error(`its process ended; ${url} last said: ${said}`);
    if (Date.now() > deadline) throw new Error(`${url} was to answer ${wanted}, last said: ${said}`);
    await delay(waiting.pauseMs ?? 50);
  }
}

function ask(url: string, { bytes: wanted, headers = {}, proof = null }: Expected): Promise<string> {
  return new Promise((resolve) => {
    const options = { agent: false, timeout: 5000, headers, rejectUnauthorized: false } as const;
    const request = (url.startsWith('https:') ? getByTls : get)(url, options, (response) => {
      let bytes = 0;
      const [name, value] = proof?.split(': ') ?? [];
      const carries = name !== undefined && response.headers[name] === value ? ` and ${proof}` : '';
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => resolve(`${response.statusCode}${wanted === null ? '' : ` with ${bytes} B`}${carries}`));
      response.on('error', (error) => resolve(error.message));
    });
    request.on('timeout', () => request.destroy(new Error('no answer in 5 s')));
    request.on('error', (error) => resolve(error.message));
  });
}

function askH2(url: string, { bytes: wanted, headers = {} }: Expected): Promise<string> {
  return new Promise((resolve) => {
    const session = connect(url);
    const finish = (said: string): void => {
      session.destroy();
      resolve(said);
    };
    session.setTimeout(5000, () => finish('no answer in 5 s'));
    session.on('error', (error) => finish(error.message));
    const { pathname: path } = new URL(url);
    const stream = session.request({ ':path': path, ...headers });
    let status = 0;
    let bytes = 0;
    stream.on('response', (head) => (status = Number(head[':status'])));
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    stream.on('error', (error) => finish(error.message));
    stream.on('end', () => finish(`${status}${wanted === null ? '' : ` with ${bytes} B`}`));
  });
}
