// The services that filters call (http_call), all in one: it answers as a case says, and remembers who asked what.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Called, reply, type Seen, seen } from './exchange.ts';
import type { Answer } from './subjects.ts';

/** So many calls are remembered: a filter with a timer calls until somebody asks what it called. */
const MOST_CALLS = 1000;

/** One for each proxy, so that it is known whose filter called. */
export class Callee implements Called {
  private readonly server: Server;
  private answer: Answer = {};
  private calls: Seen[] = [];

  constructor() {
    this.server = createServer((request, response) => {
      const came = seen(request, `${request.method} ${request.url}`).catch(() => null);
      void came.then((call) => {
        if (call === null) return;
        if (this.calls.length < MOST_CALLS) this.calls.push(call);
        reply(response, this.answer, 'called');
      });
    });
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  expect(answer: Answer = {}): void {
    this.answer = answer;
  }

  taken(): readonly Seen[] {
    const { calls } = this;
    this.calls = [];
    return calls;
  }
}
