// One NATS connection that never gives up: requests fail at once while it is away, listeners hear of every return.
// Knows no subject of the mesh.
import { setTimeout as delay } from 'node:timers/promises';
import { type Msg, type MsgHdrs, type NatsConnection, NatsError } from 'nats';
import { attempts, type JetStreamError, PassingError, refusal } from './attempts.ts';
import { within } from './in-order.ts';
import { fromDirectGet, fromLeader, type StoredMessage, type StreamQuery } from './stored-message.ts';
import { BusForbiddenError, BusUnavailableError } from './types.ts';

/** What a connection needs to know of its user; asked again for each attempt. */
export interface Login {
  readonly seed: string;
  jwt(): string;
  /** NATS does not let it in: whoever can gets another one. */
  refused(): Promise<void>;
}

export interface LinkOptions {
  readonly servers: readonly string[];
  /** Speaks by TLS alone, to servers whose certificates one of these signed, in PEM. undefined: in plain text. */
  readonly ca?: string;
  readonly login: Login;
  readonly name: string;
  readonly inboxPrefix: string;
  /** Under which NATS is asked about streams, and their leaders for a message. */
  readonly infoPrefix: string;
  readonly messagePrefix?: string;
  /** This server and no other of its cluster. */
  readonly alone?: boolean;
  /** How long the first connection may take, in ms; Infinity = until `signal`. */
  readonly waitMs: number;
  readonly signal?: AbortSignal;
  /** Within how long all that lost the connection at once should come back, in ms. */
  spreadMs?(): number;
  onConnection?(state: 'connected' | 'disconnected' | 'closed', detail: string): void;
}

export interface StreamState {
  readonly created: string;
  readonly first: number;
  readonly last: number;
  /** The server's clock, ms since the epoch, of the newest message; 0 when there is none. */
  readonly lastTime: number;
  readonly subjects: readonly string[];
  readonly config: StreamSettings;
}

/** As JetStream tells of it, much more included. */
export interface StreamSettings {
  readonly num_replicas: number;
}

const REQUEST_MS = 5_000;
const ASK_AGAIN_MS = 500;
const MESSAGE_PREFIX = '$JS.API.STREAM.MSG.GET';
/** How long a request waits for another server of the cluster, when the one that was connected is lost. */
const FAIL_OVER_MS = 2_000;
const CLOSE_MS = 500;
/** Until a server that is refused is left for another one. */
const LEAVE_MS = 500;
/** In a cluster. On three servers of 2.9.10 a copy numbered what it stored wrongly once the leader had been killed (tried). */
const OLDEST_IN_CLUSTER = [2, 11] as const;

export class Link {
  readonly nc: NatsConnection;
  connected = true;
  closed = false;
  /** Whether the server is one of several, whose streams have leaders that may change. */
  clustered: boolean;
  readonly #ups = new Set<() => void>();
  readonly #downs = new Set<(error: Error) => void>();
  readonly #options: LinkOptions;

  constructor(nc: NatsConnection, options: LinkOptions) {
    this.nc = nc;
    this.#options = options;
    this.clustered = isClustered(nc);
    void this.#watch();
  }

  /** Calls back after every return of the connection; not for the one that stands now. */
  onUp(listener: () => void): () => void {
    this.#ups.add(listener);
    return () => this.#ups.delete(listener);
  }

  /**
   * One request, one answer. Throws BusUnavailableError when the connection is away or nothing answers in time,
   * BusForbiddenError.
   */
  async request(subject: string, payload: string | Uint8Array, headers?: MsgHdrs, timeout = REQUEST_MS): Promise<Msg> {
    if (this.closed) throw new BusUnavailableError('the bus is closed');
    if (!this.connected) await this.#elsewhere(Math.min(timeout, FAIL_OVER_MS));
    let down: (error: Error) => void = () => {};
    const lost = new Promise<never>((_, reject) => {
      down = reject;
    });
    this.#downs.add(down);
    try {
      return await Promise.race([this.nc.request(subject, payload, { timeout, headers }), lost]);
    } catch (error) {
      if (error instanceof BusUnavailableError) throw error;
      if (error instanceof NatsError && error.isPermissionError()) {
        throw new BusForbiddenError(`NATS does not let ${this.#options.name} publish to ${subject}`);
      }
      const why = explain(error, subject, timeout);
      if (!this.clustered) throw new BusUnavailableError(why, 'unknown');
      // A stream whose leader died listens no more, until it has another one.
      throw new PassingError(why, error instanceof NatsError && error.code === '503' ? 'nothing' : 'unknown');
    } finally {
      this.#downs.delete(down);
    }
  }

  /** What changes nothing, or may be said twice. Throws as `request` does. */
  ask(subject: string, payload: string | Uint8Array, ms = REQUEST_MS): Promise<Msg> {
    return attempts(this, ms, (left) => this.request(subject, payload, undefined, left));
  }

  /** One stored message without a consumer; null when the stream has none such, also by its leader's word. */
  async get(stream: string, query: StreamQuery): Promise<StoredMessage | null> {
    const found = fromDirectGet(await this.#read(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query)), stream);
    return found === null && this.clustered ? this.leading(stream, query) : found;
  }

  /**
   * Nobody answers for a stream that is just being made, and nobody says so, since the account listens to all such questions (tried
   * on 2.9.10): a question without an answer is asked once more, and the answer to either is taken.
   */
  async #read(subject: string, payload: string): Promise<Msg> {
    const first = this.ask(subject, payload);
    // In a cluster it is asked again anyway.
    if (this.clustered) return first;
    const second = Promise.withResolvers<Msg>();
    // Its failure is the first one's, too.
    const again = () => this.request(subject, payload).then(second.resolve, () => null);
    const timer = setTimeout(again, ASK_AGAIN_MS);
    try {
      return await Promise.race([first, second.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** As the leader of the stream has it. Copies may be behind, and null is what they say then. */
  leading(stream: string, query: StreamQuery, ms = REQUEST_MS): Promise<StoredMessage | null> {
    const { messagePrefix = MESSAGE_PREFIX } = this.#options;
    return attempts(this, ms, async (left) =>
      fromLeader(await this.request(`${messagePrefix}.${stream}`, JSON.stringify(query), undefined, left), stream),
    );
  }

  /** Where a stream begins and ends; null when there is no such stream. `filter` also lists its subjects. */
  async stream(stream: string, filter?: string): Promise<StreamState | null> {
    const subjects: string[] = [];
    for (;;) {
      const query = filter === undefined ? '' : JSON.stringify({ subjects_filter: filter, offset: subjects.length });
      const info = await this.#info(stream, query);
      if (info === null) return null;
      const page = Object.keys(info.state.subjects ?? {});
      subjects.push(...page);
      if (page.length === 0 || subjects.length >= (info.total ?? 0)) {
        const { first_seq: first, last_seq: last, messages, last_ts } = info.state;
        const lastTime = messages === 0 ? 0 : Date.parse(last_ts);
        return { created: info.created, first, last, lastTime, subjects, config: info.config };
      }
    }
  }

  #info(stream: string, query: string): Promise<StreamInfoReply | null> {
    return attempts(this, REQUEST_MS, async (left) => {
      const reply = await this.request(`${this.#options.infoPrefix}.${stream}`, query, undefined, left);
      const info = reply.json<StreamInfoReply>();
      if (info.error === undefined) return info;
      if (info.error.code === 404) return null;
      throw refusal(`does not tell of ${stream}`, info.error);
    });
  }

  /** Resolves when it is connected again, which is soon where there are other servers. */
  async #elsewhere(ms: number): Promise<void> {
    if (!this.clustered) throw new BusUnavailableError('NATS is not connected');
    const again = Promise.withResolvers<boolean>();
    const over = () => again.resolve(false);
    const timer = setTimeout(over, ms);
    const forget = this.onUp(() => again.resolve(true));
    this.#downs.add(over);
    const connected = await again.promise;
    clearTimeout(timer);
    forget();
    this.#downs.delete(over);
    if (!connected) throw new PassingError('NATS is not connected');
  }

  /** Sends what was published and waits until the server has it. Does nothing while disconnected. Throws BusUnavailableError. */
  async flush(ms = REQUEST_MS): Promise<void> {
    if (!this.connected) return;
    const over = await within(ms, Promise.race([this.nc.flush(), this.nc.closed()])).catch((error: unknown) => {
      throw new BusUnavailableError(explain(error, 'flush', ms), 'unknown');
    });
    if (!over) throw new BusUnavailableError(`no answer from NATS within ${ms} ms (flush)`, 'unknown');
  }

  /** Sends what was published, while the server takes it. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.#fail('the bus was closed');
    const graceful = this.connected;
    this.connected = false;
    // A server that no longer answers cannot be drained to, and then not all of a close is ever over.
    const over = graceful && (await within(CLOSE_MS, this.nc.drain()).catch(() => false));
    if (!over) await within(CLOSE_MS, this.nc.close());
  }

  #fail(reason: string): void {
    const passes = this.clustered && !this.closed;
    const error = passes ? new PassingError(reason, 'unknown') : new BusUnavailableError(reason, 'unknown');
    for (const down of this.#downs) down(error);
    this.#downs.clear();
  }

  #up(server: string): void {
    this.connected = true;
    this.clustered = isClustered(this.nc);
    this.#options.onConnection?.('connected', server);
    for (const up of [...this.#ups]) up();
  }

  /** To another server of the cluster. */
  async #leave(reason: string): Promise<void> {
    this.#options.onConnection?.('disconnected', reason);
    await delay(LEAVE_MS, null, { ref: false });
    if (!this.closed) await this.nc.reconnect().catch(() => null);
  }

  async #watch(): Promise<void> {
    for await (const event of this.nc.status()) {
      if (event.type === 'disconnect') {
        this.connected = false;
        this.#fail('the connection to NATS was lost');
        if (!this.closed) this.#options.onConnection?.('disconnected', String(event.data));
      } else if (event.type === 'reconnect') {
        const refused = refusedVersion(this.nc);
        if (refused === '') this.#up(String(event.data));
        else void this.#leave(refused);
      } else if (event.type === 'error') {
        if (/AUTH/.test(String(event.data))) void this.#options.login.refused();
        this.#options.onConnection?.(this.connected ? 'connected' : 'disconnected', `NATS error: ${event.data}`);
      }
    }
    const error = await this.nc.closed();
    this.connected = false;
    this.closed = true;
    this.#fail('the bus was closed');
    this.#options.onConnection?.('closed', error ? error.message : 'closed');
  }
}

interface StreamInfoReply {
  readonly error?: JetStreamError;
  readonly config: StreamSettings;
  readonly total?: number;
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly first_seq: number;
    readonly last_seq: number;
    readonly last_ts: string;
    readonly subjects?: Readonly<Record<string, number>>;
  };
}

function isClustered({ info }: NatsConnection): boolean {
  return (info as { readonly cluster?: string } | undefined)?.cluster !== undefined;
}

/** Why a mesh cannot be on that server; '' = it can. */
export function refusedVersion(nc: NatsConnection): string {
  const version = nc.info?.version ?? '';
  const [major, minor] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = OLDEST_IN_CLUSTER;
  if (!isClustered(nc) || major > leastMajor || (major === leastMajor && minor >= leastMinor)) return '';
  const needed = OLDEST_IN_CLUSTER.join('.');
  return `${nc.getServer()} is nats-server ${version} in a cluster: ${needed} or newer is needed there, older ones lose what was stored`;
}

/** What went wrong, in words. */
export function explain(error: unknown, what: string, timeout: number): string {
  if (!(error instanceof NatsError)) return error instanceof Error ? error.message : String(error);
  switch (error.code) {
    case 'TIMEOUT':
      return `no answer from NATS within ${Math.ceil(timeout)} ms (${what})`;
    case '503':
      return `nothing answers in NATS (${what}): JetStream is off or not set up yet`;
    case 'CONNECTION_REFUSED':
      return 'connection refused: is nats-server running?';
    case 'AUTHORIZATION_VIOLATION':
      return 'the user is not known there, or not any more';
    default:
      return `${error.message} (${what})`;
  }
}
