// The one way in which this mesh fetches what a configuration names: http or https, few redirects, bounded size and time, to
// addresses that were looked up once, checked, and are the ones connected to. Whatever is refused says why in one line.

import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { reach } from './addresses.ts';
import { nodeHttp, nodeHttps } from './node-http.ts';

export interface FetchOptions {
  /** Of the whole, redirects and name look-ups included. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Networks of one's own and this machine may be reached. Default false. */
  readonly allowPrivate?: boolean;
  /** Default 3. */
  readonly maxRedirects?: number;
  /** `authorization` and `cookie` are not sent to another origin that a redirect leads to. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly resolve?: Resolve;
  /** Of https: below whose certificates the server's is, in PEM. Default: those that Node trusts. */
  readonly ca?: string;
}

export interface Fetched {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** Where it came from, after redirects. */
  readonly url: string;
}

export interface Address {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly Address[]>;

/** A fetch that was not made or did not succeed; the message names the URL without its query. */
export class FetchFailed extends Error {
  /** It may not be fetched, or not taken: asking again, or somebody else's being up again, changes nothing. */
  readonly refused: boolean;

  constructor(message: string, refused: boolean) {
    super(message);
    this.refused = refused;
  }
}

const MAX_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const SECRETS = new Set(['authorization', 'cookie']);

/** GET. Resolves with any final answer, whatever its status; rejects with FetchFailed. */
export async function guardedFetch(url: string, options: FetchOptions): Promise<Fetched> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  let target = parse(url);
  let headers = options.headers ?? {};
  for (let hops = 0; ; hops++) {
    const addresses = await reachable(target, options, deadline);
    const answer = await get(target, addresses, { ...options, headers }, deadline);
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
    if (hops === (options.maxRedirects ?? MAX_REDIRECTS))
      throw failed(target, hops === 0 ? 'is redirected, which is not followed' : 'is redirected too often');
    const next = parse(location, target);
    if (target.protocol === 'https:' && next.protocol === 'http:')
      throw failed(target, 'is redirected from https to http');
    if (next.origin !== target.origin) headers = withoutSecrets(headers);
    target = next;
  }
}

function parse(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null) throw new FetchFailed(`${JSON.stringify(text.slice(0, 200))} is no URL`, true);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw failed(url, 'is neither http nor https', true);
  if (url.username !== '' || url.password !== '') throw failed(url, 'carries credentials', true);
  return url;
}

/** The addresses of the host, if all of them may be reached: one that may not is a trap or a mistake. */
async function reachable(url: URL, options: FetchOptions, deadline: AbortSignal): Promise<readonly Address[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const resolve = options.resolve ?? ((name) => lookup(name, { all: true, verbatim: true }));
  const literal = isIP(host);
  let addresses: readonly Address[] = [{ address: host, family: literal }];
  if (literal === 0) {
    addresses = await Promise.race([resolve(host), expiry(deadline)]).catch((error: Error) => {
      throw failed(url, deadline.aborted ? late(options) : `cannot be looked up: ${error.message}`);
    });
  }
  if (addresses.length === 0) throw failed(url, 'has no address');
  for (const { address } of addresses) {
    const kind = reach(address);
    if (kind === 'public' || (kind === 'private' && options.allowPrivate === true)) continue;
    const why = kind === 'never' ? 'is never fetched from' : 'is a private address, which is not allowed here';
    throw failed(url, `leads to ${address}, which ${why}`, true);
  }
  return addresses;
}

function get(url: URL, addresses: readonly Address[], options: FetchOptions, signal: AbortSignal): Promise<Fetched> {
  const { request } = url.protocol === 'https:' ? nodeHttps() : nodeHttp;
  const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'weft', ...options.headers };
  return new Promise((resolve, reject) => {
    const fail = (why: string, refused = false): void => reject(failed(url, why, refused));
    const outgoing = request(url, { agent: false, headers, signal, lookup: pinned(addresses), ca: options.ca });
    outgoing.on('error', (error) => fail(signal.aborted ? late(options) : describe(error)));
    outgoing.on('response', (incoming) => {
      const encoding = incoming.headers['content-encoding'] ?? 'identity';
      const chunks: Buffer[] = [];
      let length = 0;
      const refuse = (why: string): void => {
        fail(why, true);
        outgoing.destroy();
      };
      if (encoding !== 'identity') return refuse(`answers in an encoding that was not asked for (${encoding})`);
      if (Number(incoming.headers['content-length'] ?? 0) > options.maxBytes) return refuse(tooMuch(options));
      incoming.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > options.maxBytes) return refuse(tooMuch(options));
        chunks.push(chunk);
      });
      incoming.on('error', (error) => fail(signal.aborted ? late(options) : describe(error)));
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks),
          url: url.href,
        }),
      );
    });
    outgoing.end();
  });
}

/** What the socket is told when it asks for the host's address: what was checked, not what DNS says by now. */
function pinned(addresses: readonly Address[]): LookupFunction {
  return (_host, { all }, answer) => {
    if (all) answer(null, [...addresses]);
    else answer(null, addresses[0].address, addresses[0].family);
  };
}

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRETS.has(name.toLowerCase())));
}

function expiry(deadline: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (deadline.aborted) reject(deadline.reason);
    deadline.addEventListener('abort', () => reject(deadline.reason), { once: true });
  });
}

function failed({ origin, protocol, host, pathname }: URL, why: string, refused = false): FetchFailed {
  const where = origin === 'null' ? `${protocol}//${host}` : origin;
  return new FetchFailed(`${where}${pathname} ${why}`, refused);
}

function late({ timeoutMs }: FetchOptions): string {
  return `did not answer within ${timeoutMs} ms`;
}

function tooMuch({ maxBytes }: FetchOptions): string {
  return `answers with more than ${maxBytes} bytes`;
}

/** A failed attempt at several addresses says nothing itself. */
function describe(error: NodeJS.ErrnoException): string {
  const first = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
  return `cannot be fetched: ${first.message || first.code}`;
}
