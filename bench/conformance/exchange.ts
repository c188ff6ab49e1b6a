// One request through a proxy: what reached the upstream, what the filter asked of others meanwhile, and what came back.

import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Answer, Case } from './subjects.ts';

const PATIENCE_MS = 5_000;
/** Tells the upstream which case a request is. */
const CASE = 'x-case';

export interface Seen {
  /** 'GET /path', or the status. */
  readonly first: string;
  /** Names in small letters, in the order of the message. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
}

export interface Observation {
  /** null: nothing came there. */
  readonly request: Seen | null;
  readonly answer: Seen;
  /** Calls of the filter to other services, in the order of their coming. */
  readonly calls: readonly Seen[];
}

/** The services that a filter calls. */
export interface Called {
  /** What they answer from now on. */
  expect(answer?: Answer): void;
  /** What came since this was asked for the last time. */
  taken(): readonly Seen[];
}

/** Answers as the cases say, and remembers what came. */
export class Upstream {
  private readonly server: Server;
  private readonly cases = new Map<string, Case>();
  private readonly came = new Map<string, Seen>();

  constructor() {
    this.server = createServer((request, response) => {
      const id = String(request.headers[CASE]);
      const came = seen(request, `${request.method} ${request.url}`).catch(() => null);
      void came.then((message) => {
        // A proxy that gives up has its answer from elsewhere.
        if (message === null) return;
        this.came.set(id, message);
        reply(response, this.cases.get(id)?.answer ?? {}, 'answered');
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

  /** Sends a case to a proxy on this port, whose filter calls `callee`. One at a time: it is known by its number alone. */
  async observe(port: number, number: number, one: Case, callee: Called): Promise<Observation> {
    const id = String(number);
    this.cases.set(id, one);
    callee.expect(one.called);
    const answer = await ask(port, id, one);
    const request = this.came.get(id) ?? null;
    this.cases.delete(id);
    this.came.delete(id);
    return { request, answer, calls: callee.taken() };
  }
}

async function ask(port: number, id: string, one: Case): Promise<Seen> {
  const { method = 'GET', path = '/', headers = [], body, trailers } = one;
  // Proxies give requests without an id one of their own.
  const own = headers.some(([name]) => name === 'x-request-id') ? [] : [['x-request-id', 'given']];
  const whole = headers.some(([name]) => name === 'content-length');
  const framing = body === undefined || whole ? [] : [['transfer-encoding', 'chunked']];
  const announced = trailers === undefined ? [] : [['trailer', Object.keys(trailers).join(', ')]];
  const fields = [['host', 'conformance.example'], [CASE, id], ...own, ...headers, ...framing, ...announced].flat();
  try {
    const outgoing = httpRequest({ host: '127.0.0.1', port, method, path, headers: fields, agent: false });
    outgoing.setTimeout(PATIENCE_MS, () => outgoing.destroy(new Error(`no answer in ${PATIENCE_MS / 1000} s`)));
    // Whoever reads the answer is told of it, too.
    outgoing.on('error', () => undefined);
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
    answered.catch(() => undefined);
    for (const piece of body ?? []) await new Promise((resolve) => outgoing.write(piece, resolve));
    if (trailers !== undefined) outgoing.addTrailers(trailers);
    outgoing.end();
    const [response] = await answered;
    return await seen(response, String(response.statusCode));
  } catch (error) {
    return { first: `failed: ${(error as Error).message}`, headers: [], body: '', trailers: [] };
  }
}

/** `otherwise`: the body where the answer says none. */
export function reply(response: ServerResponse, answer: Answer, otherwise: string): void {
  const { status = 200, headers = [], body = [otherwise], trailers } = answer;
  const bare = status === 204 || status === 304;
  const fields = trailers === undefined ? headers : [...headers, ['trailer', Object.keys(trailers).join(', ')]];
  response.sendDate = false;
  response.writeHead(status, fields.flat());
  if (!bare) for (const piece of body) response.write(piece);
  if (trailers !== undefined) response.addTrailers(trailers);
  response.end();
}

export async function seen(message: IncomingMessage, first: string): Promise<Seen> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return {
    first,
    headers: pairs(message.rawHeaders),
    body: Buffer.concat(chunks).toString(),
    trailers: pairs(message.rawTrailers),
  };
}

function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1]]] : []));
}
