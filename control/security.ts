// Who may speak to the API: a bearer token, only hosts and origins that are ours. Runs before anything of a request is used.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Origin } from '../bus/types.ts';
import type { Caller } from './access/caller.ts';
import { ApiError } from './api-error.ts';
import { readProof } from './joining/token.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** By which who is no administrator asks; '' = an administrator does. */
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
  readonly token: string;
  /** Names beside loopback's under which the API may be asked, without port. */
  readonly hosts: readonly string[];
}

export function secure(app: FastifyInstance, options: SecurityOptions): void {
  const expected = digest(options.token);
  const hosts = new Set([...LOOPBACK, ...options.hosts.map((host) => host.toLowerCase())]);

  app.decorateRequest('caller', null as unknown as Caller);
  app.decorateRequest('proof', '');
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
    if (given !== undefined && timingSafeEqual(digest(given), expected)) {
      request.caller = { name: 'admin', origin: originOf(request, path) };
      return;
    }
    if (given !== undefined && request.method === 'POST' && PROVEN.test(path) && readProof(given) !== null) {
      request.proof = given;
      return;
    }
    if (given !== undefined && readProof(given) !== null) {
      throw new ApiError(403, 'a token of `mesh token` lets machines join and start proxies, and does nothing else');
    }
    reply.header('WWW-Authenticate', 'Bearer realm="weft"');
    const what = given === undefined ? 'a token is needed' : 'the token is not valid';
    throw new ApiError(401, `${what}: send "Authorization: Bearer TOKEN" with the token of this control plane`);
  });
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

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
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
