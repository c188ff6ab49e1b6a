// The admin server of a proxy, on the main thread: Envoy's endpoints over node:http. It never sees a request of the mesh.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { nodeHttp } from '../fetch/node-http.ts';
import { hostPort } from '../host-port.ts';
import { NoAnswer } from './dumps.ts';
import { type Answer, BadQuery, ENDPOINTS, type Endpoint } from './endpoints.ts';
import { refusalOf } from './guard.ts';
import type { AdminHost } from './host.ts';

export type { AdminHost, ServerInfo, ServerState } from './host.ts';

export interface AdminOptions {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly host: AdminHost;
}

export interface Admin {
  /** 'http://127.0.0.1:15000' */
  readonly url: string;
  /** Ends what is open, too. */
  close(): Promise<void>;
}

const TEXT = 'text/plain; charset=utf-8';
const MAX_BODY_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 256;
const REQUEST_MS = 10_000;

/** Rejects with the system's error when the address cannot be had. */
export async function startAdmin({ address, port, host }: AdminOptions): Promise<Admin> {
  const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS };
  const server = nodeHttp.createServer(limits, (request, response) => {
    void serve(request, response, host, address);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  return { url: urlOf(server), close: () => closeServer(server) };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  host: AdminHost,
  bound: string,
): Promise<void> {
  const { status = 200, type = TEXT, body, allow, after } = await orFault(answerTo(request, host, bound));
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    ...(allow === undefined ? {} : { allow }),
    // What is left of a body that nobody reads goes with its connection.
    ...(request.complete ? {} : { connection: 'close' }),
  });
  // Also when the asker did not wait for the answer.
  if (after !== undefined) response.once('close', after);
  response.end(body);
}

async function orFault(asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const status = error instanceof BadQuery ? 400 : error instanceof NoAnswer ? 503 : 500;
    return { status, body: `${message}\n` };
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./.test(address);
}

async function answerTo(request: IncomingMessage, host: AdminHost, bound: string): Promise<Answer> {
  const refusal = refusalOf(request, bound);
  if (refusal !== null) return { status: refusal.status, body: `${refusal.message}\n` };
  const { method = '', url = '' } = request;
  // What ends a proxy is asked on its own machine, or over NATS.
  const afar = !isLoopback(request.socket.localAddress ?? '');
  return answerAt(host, { method, target: url, afar, read: () => bodyRead(request) });
}

/** Over NATS: what an operator may ask, a control plane has seen to. Never rejects. */
export async function askAdmin(
  host: AdminHost,
  method: string,
  target: string,
): Promise<Required<Pick<Answer, 'status' | 'type' | 'body'>> & Answer> {
  const answer = await orFault(answerAt(host, { method, target, afar: false, read: () => Promise.resolve(true) }));
  return { status: 200, type: TEXT, ...answer };
}

interface Asked {
  readonly method: string;
  readonly target: string;
  /** By who is not on this machine. */
  readonly afar: boolean;
  /** False: its body is too large. */
  read(): Promise<boolean>;
}

async function answerAt(host: AdminHost, { method, target, afar, read }: Asked): Promise<Answer> {
  if (!target.startsWith('/')) return { status: 400, body: 'ask for a path\n' };
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
  const endpoint = path === '/' ? HOME : path === '/help' ? HELP : ENDPOINTS.find((known) => known.path === path);
  if (endpoint === undefined) return { status: 404, body: `there is no such endpoint here\n\n${helpText()}` };
  if (endpoint.mutates && method !== 'POST') return { status: 405, body: `${path} takes POST only\n`, allow: 'POST' };
  if (endpoint.mutates && afar) return { status: 403, body: `${path} is for loopback alone, and for \`mesh\`\n` };
  if (!endpoint.mutates && method !== 'GET' && method !== 'HEAD') {
    return { status: 405, body: `${path} takes GET only\n`, allow: 'GET, HEAD' };
  }
  if (!(await read())) return { status: 413, body: 'no body is needed here, least of all one of this size\n' };
  return endpoint.answer(host, query);
}

const HOME: Endpoint = {
  path: '/',
  help: 'this page',
  mutates: false,
  answer: (host) => ({ type: 'text/html; charset=utf-8', body: homePage(host) }),
};

const HELP: Endpoint = { path: '/help', help: 'this list', mutates: false, answer: () => ({ body: helpText() }) };

function helpText(): string {
  const all = [HOME, HELP, ...ENDPOINTS];
  const width = Math.max(...all.map(({ path }) => path.length));
  const lines = all.map(({ path, help, mutates }) => `  ${path.padEnd(width)}  ${help}${mutates ? ' (POST)' : ''}\n`);
  return `admin commands are:\n${lines.join('')}`;
}

function homePage(host: AdminHost): string {
  const rows = [HELP, ...ENDPOINTS].map(({ path, help, mutates }) => {
    const way = mutates
      ? `<form method="post" action="${path}"><button>${path}</button></form>`
      : `<a href="${path}">${path}</a>`;
    return `<tr><td>${way}</td><td>${escapeHtml(help)}</td></tr>`;
  });
  const title = escapeHtml(`${host.serverInfo().node.id || 'proxy'}: ${host.state().state}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<style>body{font:14px sans-serif;margin:2em}td{padding:.2em 1em .2em 0}form{margin:0}</style></head>
<body><h1>${title}</h1><table>
${rows.join('\n')}
</table></body></html>
`;
}

function escapeHtml(value: string): string {
  return value.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** False when the body is too large; otherwise it is read and forgotten. */
function bodyRead(request: IncomingMessage): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) return;
      request.pause();
      resolve(false);
    });
    request.once('end', () => resolve(true));
    request.once('error', reject);
    request.once('close', () => resolve(false));
  });
}

function urlOf(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the admin server has no address');
  return `http://${hostPort(bound.address, bound.port)}`;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
