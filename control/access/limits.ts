// How much one client may ask of the API: requests a second and bytes of bodies under way for each token, and for each address how
// often it may come with a token that nobody knows. What is known of clients has a limit, too.
import { isIPv6 } from 'node:net';
import { ApiError } from '../api-error.ts';

export interface LimitOptions {
  /** For each token. Default 200. */
  readonly requestsPerSecond?: number;
  /** At once, after a while without any. Default 1000. */
  readonly requestsAtOnce?: number;
  /** Bodies under way for each token, in bytes; one alone may be larger. Default 64 MiB. */
  readonly bytesAtOnce?: number;
  /** Tokens that nobody knows, for each address. Default 30. */
  readonly failuresAtOnce?: number;
  /** After that. Default 1. */
  readonly failuresPerSecond?: number;
  /** Ms, monotonic. */
  readonly now?: () => number;
}

/** 429: come again in so many seconds. */
export class TooManyError extends ApiError {
  readonly retryAfterS: number;

  constructor(message: string, retryAfterS: number) {
    super(429, `${message}; try again in ${retryAfterS} s`);
    this.retryAfterS = retryAfterS;
  }
}

interface Client {
  /** What is left. */
  tokens: number;
  at: number;
  bytes: number;
}

/** Of each kind. The longest silent go first. */
const MAX_CLIENTS = 10_000;

export class Limits {
  readonly #options: Required<LimitOptions>;
  readonly #holders = new Map<string, Client>();
  readonly #addresses = new Map<string, Client>();

  constructor(options: LimitOptions = {}) {
    this.#options = {
      requestsPerSecond: options.requestsPerSecond ?? 200,
      requestsAtOnce: options.requestsAtOnce ?? 1_000,
      bytesAtOnce: options.bytesAtOnce ?? 64 * 1024 * 1024,
      failuresAtOnce: options.failuresAtOnce ?? 30,
      failuresPerSecond: options.failuresPerSecond ?? 1,
      now: options.now ?? (() => performance.now()),
    };
  }

  /** A request of a token, with a body of so many bytes. The result is called once it is over. Throws TooManyError. */
  begin(holder: string, bytes: number): () => void {
    const { requestsPerSecond, requestsAtOnce, bytesAtOnce } = this.#options;
    const client = this.#client(this.#holders, holder, requestsPerSecond, requestsAtOnce);
    if (client.bytes > 0 && client.bytes + bytes > bytesAtOnce) {
      throw new TooManyError(`${holder} sends ${client.bytes} bytes already, of ${bytesAtOnce} at a time`, 1);
    }
    take(client, requestsPerSecond, `${holder} asks more than ${requestsPerSecond} times a second`);
    client.bytes += bytes;
    return () => {
      client.bytes -= bytes;
    };
  }

  /** Before a token that is not known at hand is looked for. The result is called when it was found. Throws TooManyError. */
  unknown(address: string): () => void {
    const { failuresPerSecond, failuresAtOnce } = this.#options;
    const client = this.#client(this.#addresses, networkOf(address), failuresPerSecond, failuresAtOnce);
    take(client, failuresPerSecond, 'too many tokens that are not valid came from this address');
    return () => {
      client.tokens++;
    };
  }

  /** How many clients are known. */
  get size(): number {
    return this.#holders.size + this.#addresses.size;
  }

  #client(clients: Map<string, Client>, name: string, perSecond: number, most: number): Client {
    const now = this.#options.now();
    const client = clients.get(name) ?? { tokens: most, at: now, bytes: 0 };
    client.tokens = Math.min(most, client.tokens + ((now - client.at) / 1_000) * perSecond);
    client.at = now;
    clients.delete(name);
    clients.set(name, client);
    if (clients.size > MAX_CLIENTS) {
      const [oldest] = clients.keys();
      clients.delete(oldest);
    }
    return client;
  }
}

function take(client: Client, perSecond: number, why: string): void {
  if (client.tokens < 1) throw new TooManyError(why, Math.max(1, Math.ceil((1 - client.tokens) / perSecond)));
  client.tokens--;
}

/** Whoever has one IPv6 address has all of its /64. */
function networkOf(address: string): string {
  const inIPv4 = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)?.[1];
  if (inIPv4 !== undefined || !isIPv6(address)) return inIPv4 ?? address;
  const [head, tail] = address.split('%')[0].split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0');
  return [...front, ...zeros, ...back].slice(0, 4).join(':');
}
