// An upstream that does with each request what a test says: sends bytes, resets, keeps silent.

import type { Socket } from 'node:net';
import { startTcp } from './data-plane.ts';

export interface Received {
  readonly method: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly socket: Socket;
}

export type Act = string | ((received: Received) => void);

export const reset: Act = ({ socket }) => socket.resetAndDestroy();
export const hang: Act = () => {};
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

export interface Scripted {
  readonly port: number;
  readonly requests: Received[];
  /** How many there have been. */
  connections(): number;
  /** Resolves when the first of them is closed. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Does one thing for each request, in order, the last one for all that follow: sends bytes, or acts on the socket. */
export async function startScripted(...acts: Act[]): Promise<Scripted> {
  const requests: Received[] = [];
  let connections = 0;
  let closed: () => void;
  const firstClosed = new Promise<void>((resolve) => (closed = resolve));
  const server = await startTcp((socket) => {
    connections++;
    socket.on('close', () => closed());
    let bytes = '';
    socket.on('data', (chunk) => {
      bytes += chunk.toString('latin1');
      for (;;) {
        const end = bytes.indexOf('\r\n\r\n');
        if (end < 0) return;
        const [line, ...fields] = bytes.slice(0, end).split('\r\n');
        const headers = new Map(
          fields.map((field) => {
            const colon = field.indexOf(':');
            return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const;
          }),
        );
        const length = Number(headers.get('content-length') ?? 0);
        if (bytes.length < end + 4 + length) return;
        const body = bytes.slice(end + 4, end + 4 + length);
        bytes = bytes.slice(end + 4 + length);
        const received = { method: line.split(' ')[0], headers, body, socket };
        const act = acts[Math.min(requests.length, acts.length - 1)];
        requests.push(received);
        if (typeof act === 'string') socket.write(act);
        else act(received);
      }
    });
  });
  const { port, close } = server;
  return { port, requests, connections: () => connections, closed: firstClosed, close };
}

/** An answer of this status. */
export function failing(status: number, body = 'broken', ...fields: string[]): string {
  const lines = [`HTTP/1.1 ${status} Whatever`, `Content-Length: ${body.length}`, ...fields, '', body];
  return lines.join('\r\n');
}
