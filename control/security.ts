// Who may speak to the API: only hosts and origins that are ours, and a token that may do what is asked. Runs before anything of a
// request is used.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Origin } from '../bus/types.ts';
import type { Access } from './access/access.ts';
import type { Caller, Holder } from './access/caller.ts';
import type { Limits } from './access/limits.ts';
import { checkRoute, NEEDS } from './access/permissions.ts';
import type { Refusals } from './access/refusals.ts';
import { TokenOverError } from './access/token-over.ts';
import { ApiError } from './api-error.ts';
import { readProof } from './joining/token.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of `mesh token`, by which who has no token of the API asks; '' = `caller` does. */
    proof: string;
  }
}

/** Where a proof of `mesh token` stands for itself: the route says what it is good for. */
const PROVEN = /^\/v1\/(?:join|proxies\/[^/]+\/user)$/;
/** Answered without a token. */
const OPEN = /^\/(?:|ready|v1\/version|docs(?:\/.*)?)$/;
const MOST_OF_CLIENT = 200;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

export interface SecurityOptions {
  readonly access: Access;
  readonly refusals: Refusals;
  readonly limits: Limits;
  /** Names beside loopback's under which the API may be asked, without port. */
  readonly hosts: readonly string[];
}

export function secure(app: FastifyInstance, options: SecurityOptions): void {
  const hosts = new Set([...LOOPBACK, ...options.hosts.map((host) => host.toLowerCase())]);

  app.decorateRequest('caller', null as unknown as Caller);
  app.decorateRequest('proof', '');
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) {
      if (url.startsWith('/v1/') && NEEDS[needOf(each, url)] === undefined) throw new Error(`who may ${each} ${url}?`);
    }
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('X-Content-Type-Options', 'nosniff');
    reply.header('X-Frame-Options', 'DENY');
    reply.header('Cache-Control', 'no-store');
    checkHost(request, hosts);
    checkOrigin(request, hosts);
    const path = request.url.split('?', 1)[0];
    if (OPEN.test(path)) {
      if (request.method === 'GET' || request.method === 'HEAD') return;
      throw new ApiError(405, `${request.method} is not possible here`);
    }
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (given !== undefined && readProof(given) !== null) {
      if (request.method !== 'POST' || !PROVEN.test(path)) {
        throw new ApiError(403, 'a token of `mesh token` lets machines join and start proxies, and does nothing else');
      }
      // Whether it is one is found out from the store.
      reply.raw.once('close', options.limits.begin(`a proof of ${request.ip}`, bytesOf(request)));
      request.proof = given;
      return;
    }
    const holder = await identify(options.access, given, request).catch((error) => {
      if (error instanceof TokenOverError) options.refusals.tell(request.ip, error.message);
      if (error instanceof ApiError && error.status === 401) {
        reply.header('WWW-Authenticate', 'Bearer realm="weft"');
        throw new ApiError(401, `${error.message}: send "Authorization: Bearer TOKEN" with one of this control plane`);
      }
      throw error;
    });
    request.caller = { ...holder, origin: originOf(request, path) };
    reply.raw.once('close', options.limits.begin(holder.name, bytesOf(request)));
    const { url } = request.routeOptions;
    if (url !== undefined) checkRoute(request.caller, needOf(request.method, url));
  });
}

/** A token counts before a certificate: who sends one means it. */
async function identify(access: Access, token: string | undefined, { ip, raw }: FastifyRequest): Promise<Holder> {
  return token === undefined ? access.certified(raw.socket) : access.identify(token, ip);
}

/** Where the table of needs has it; a HEAD is a GET. */
function needOf(method: string, url: string): string {
  return `${method === 'HEAD' ? 'GET' : method} ${url}`;
}

/** As much as it says, or may have when it does not say. */
function bytesOf({ headers, routeOptions: { bodyLimit } }: FastifyRequest): number {
  const length = Number(headers['content-length'] ?? 0);
  const most = bodyLimit ?? 0;
  return headers['transfer-encoding'] === undefined ? Math.min(length, most) : most;
}

/** The address is that of the connection: headers that name another one are anybody's word. */
function originOf(request: FastifyRequest, path: string): Origin {
  const client = (request.headers['user-agent'] ?? '').slice(0, MOST_OF_CLIENT);
  return { address: request.ip, client, request: `${request.method} ${path.slice(0, MOST_OF_CLIENT)}` };
}

/** A page of another site whose name was pointed at this address (DNS rebinding) still sends its own name. */
function checkHost(request: FastifyRequest, hosts: ReadonlySet<string>): void {
  const name = hostName(request.headers.host ?? '');
  if (name === null || !hosts.has(name)) {
    throw new ApiError(
      403,
      `the host ${JSON.stringify(request.headers.host ?? '').slice(0, 200)} is not one of this control plane`,
    );
  }
}

function checkOrigin(request: FastifyRequest, hosts: ReadonlySet<string>): void {
  const { origin } = request.headers;
  if (request.headers['sec-fetch-site'] === 'cross-site')
    throw new ApiError(403, 'requests from other sites are refused');
  if (origin === undefined) return;
  const own = /^https?:\/\/(.+)$/.exec(origin)?.[1];
  const name = own === undefined ? null : hostName(own);
  // Another server on the same machine is another origin.
  if (name === null || !hosts.has(name) || own !== request.headers.host) {
    throw new ApiError(403, `requests from the origin ${JSON.stringify(origin).slice(0, 200)} are refused`);
  }
}

/** Without port, in lower case; null when it is no host. */
function hostName(authority: string): string | null {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/.exec(authority.toLowerCase())?.[1] ?? null;
}

/** Reads the token in a file, or makes one that only its owner can read. */
export async function ensureToken(file: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  await chmod(file, 0o600);
  const token = (await readFile(file, 'utf8')).trim();
  if (token.length < 16) throw new Error(`${file} holds no token; remove it to have one made`);
  return token;
}
