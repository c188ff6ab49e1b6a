// Who serves what, for everybody: of all control planes one writes what the leases say into the endpoint log, as changes. Proxies
// read that log alone, so a renewal costs one message and not one for each proxy, and without a control plane the last set stays.

import { HEADS_MS } from '../bus/heads.ts';
import {
  type Bus,
  BusUnavailableError,
  type Commit,
  ConflictError,
  type Lease,
  type ProxyIdentity,
  type Subscription,
} from '../bus/types.ts';
import { Pace } from './pace.ts';

/** Of one workload; more are left out. */
const MAX_ENDPOINTS = 64;
/** Changes that come within it are one commit. */
const GATHER_MS = 10;
/**
 * From one commit to the next, for each proxy that is told: a change by itself goes out at once, and hundreds that join within
 * seconds are a few commits. Each costs every proxy about 0.3 ms.
 */
const PAUSE_MS_PER_PROXY = 1;
/** While more and more keeps coming, the pause doubles until it is so long. */
const MOST_PAUSE_MS_PER_PROXY = 10;
const MAX_PAUSE_MS = 2_000;
const RETRY_MS = 500;
/** After which what came too often is looked at again. */
const DELAY_MS = 250;
const HEARD_AGAIN_MS = 20_000;

export interface DiscoveryOptions {
  readonly bus: Pick<Bus, 'endpoints' | 'election' | 'heads'>;
  /** Workloads are on several machines: an endpoint on loopback, where everybody else finds itself, is left out. Default false. */
  readonly machines?: boolean;
  /** How long it takes until everybody who lives was heard, in ms. Default 20 s, more than the usual lease. */
  readonly heardAgainMs?: number;
  onLog?(line: string): void;
}

export class Discovery {
  readonly #bus: DiscoveryOptions['bus'];
  readonly #machines: boolean;
  readonly #heardAgainMs: number;
  readonly #onLog: (line: string) => void;
  readonly #subscriptions: Subscription[] = [];
  readonly #pace = new Pace();
  #leases: ReadonlyMap<string, Lease> | null = null;
  /** What the log says, by proxy: the body as JSON. */
  #published = new Map<string, string>();
  /** Leases whose body is what the log says. */
  #settled = new Map<string, Lease>();
  #revision = 0;
  #elected = false;
  /** Whether the log was begun and is not yet to be taken by those who know more. */
  #anew = false;
  #writing = false;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #pauseMs = 0;
  #closed = false;
  #timer: NodeJS.Timeout | null = null;
  #later: NodeJS.Timeout | null = null;
  #adoption: NodeJS.Timeout | null = null;
  #telling: NodeJS.Timeout | null = null;

  private constructor({ bus, machines = false, heardAgainMs = HEARD_AGAIN_MS, onLog }: DiscoveryOptions) {
    this.#bus = bus;
    this.#machines = machines;
    this.#heardAgainMs = heardAgainMs;
    this.#onLog = onLog ?? (() => {});
  }

  /** Throws BusUnavailableError when the bus is closed meanwhile. */
  static async start(options: DiscoveryOptions): Promise<Discovery> {
    const discovery = new Discovery(options);
    await discovery.#follow();
    return discovery;
  }

  /** Who lives now, all of them. */
  lived(leases: ReadonlyMap<string, Lease>): void {
    this.#leases = leases;
    this.#soon();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#timer, this.#later, this.#adoption]) if (timer !== null) clearTimeout(timer);
    if (this.#telling !== null) clearInterval(this.#telling);
    for (const subscription of this.#subscriptions) await subscription.close();
  }

  async #follow(): Promise<void> {
    const { endpoints, election } = this.#bus;
    this.#telling = setInterval(() => void this.#tellHeads(), HEADS_MS);
    const log = await endpoints.follow(null, {
      commit: (commit) => this.#heard(commit),
      state: ({ revision, resources }) => {
        this.#revision = revision;
        this.#published = new Map([...resources].map(([key, body]) => [key, JSON.stringify(body)]));
        this.#settled.clear();
        if (revision === 0) this.#anew = true;
        this.#adoptLater();
        this.#soon();
      },
    });
    this.#subscriptions.push(log);
    this.#subscriptions.push(
      await election.stand((elected) => {
        this.#elected = elected;
        if (elected) void this.#tellHeads();
        this.#adoptLater();
        this.#soon();
      }),
    );
  }

  /** What all proxies would ask NATS otherwise. */
  async #tellHeads(): Promise<void> {
    if (!this.#elected || this.#leases === null) return;
    try {
      await this.#bus.heads.tell(this.#leases.size);
    } catch (error) {
      // They ask for themselves then.
      if (!(error instanceof BusUnavailableError)) throw error;
    }
  }

  /** The own commits, too; those were counted when they were made. */
  #heard({ revision, upserts, removals }: Commit): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    for (const { key, body } of upserts) this.#settle(key, JSON.stringify(body), null);
    for (const key of removals) this.#forget(key);
    this.#soon();
  }

  #soon(): void {
    if (!this.#elected || this.#leases === null || this.#timer !== null || this.#writing || this.#closed) return;
    const wait = Math.max(GATHER_MS, this.#writtenAt + this.#pauseMs - performance.now());
    this.#timer = setTimeout(() => void this.#write(), wait);
  }

  /** Something was written, or tried. */
  #pause(): void {
    const now = performance.now();
    const size = this.#published.size;
    const least = size * PAUSE_MS_PER_PROXY;
    const most = Math.min(size * MOST_PAUSE_MS_PER_PROXY, MAX_PAUSE_MS);
    const keepsComing = now - this.#writtenAt < 2 * this.#pauseMs + GATHER_MS;
    this.#pauseMs = Math.min(keepsComing ? Math.max(2 * this.#pauseMs, least) : least, most);
    this.#writtenAt = now;
  }

  #again(): void {
    this.#later = null;
    this.#soon();
  }

  async #write(): Promise<void> {
    this.#timer = null;
    if (!this.#elected) return;
    const { upserts, removals, leases, delayed } = this.#difference(this.#leases!);
    if (delayed) this.#later ??= setTimeout(() => this.#again(), DELAY_MS);
    if (upserts.length + removals.length === 0) return;
    this.#writing = true;
    try {
      const parent = this.#revision;
      const { revision } = await this.#bus.endpoints.commit({ parent, author: '', message: '', upserts, removals });
      this.#revision = Math.max(revision, this.#revision);
      for (const [i, { key, body }] of upserts.entries()) this.#settle(key, JSON.stringify(body), leases[i]);
      for (const key of removals) this.#forget(key);
    } catch (error) {
      await this.#failed(error);
    }
    this.#writing = false;
    this.#pause();
    this.#soon();
  }

  /** In the log as it is now; nothing in it is due when the next change comes. */
  #difference(wanted: ReadonlyMap<string, Lease>) {
    const upserts: { key: string; body: unknown }[] = [];
    const leases: Lease[] = [];
    let delayed = false;
    this.#pace.sweep();
    for (const [key, lease] of wanted) {
      if (this.#settled.get(key) === lease) continue;
      const body = this.#bodyOf(lease);
      if (this.#published.get(key) === JSON.stringify(body)) {
        this.#settled.set(key, lease);
        continue;
      }
      if (!this.#pace.take(key)) {
        delayed = true;
        continue;
      }
      upserts.push({ key, body });
      leases.push(lease);
    }
    const removals = [...this.#published.keys()].filter((key) => !wanted.has(key));
    return { upserts, removals, leases, delayed };
  }

  /** Proxies that know more than a log that begins anew keep what they know until everybody was heard again. */
  #adoptLater(): void {
    if (!this.#elected || !this.#anew) return;
    if (this.#adoption !== null) clearTimeout(this.#adoption);
    this.#adoption = setTimeout(() => void this.#adopt(), this.#heardAgainMs);
  }

  /** From now on what the log says is everything, also for proxies that knew more from one before it. */
  async #adopt(): Promise<void> {
    this.#adoption = null;
    if (!this.#elected || this.#closed) return;
    try {
      const resources = [...this.#published].map(([key, text]) => ({ key, body: JSON.parse(text) as unknown }));
      const whole = { author: '', message: 'all that live are in it', resources, at: null };
      const { revision } = await this.#bus.endpoints.restore({ parent: this.#revision, ...whole });
      this.#revision = Math.max(revision, this.#revision);
      this.#anew = false;
    } catch (error) {
      await this.#failed(error);
      this.#adoption = setTimeout(() => void this.#adopt(), RETRY_MS);
    }
  }

  /** Somebody else's commit will be heard; NATS will come back. */
  async #failed(error: unknown): Promise<void> {
    if (!(error instanceof ConflictError || error instanceof BusUnavailableError)) throw error;
    if (error instanceof BusUnavailableError && !this.#closed) this.#onLog(`endpoints wait: ${error.message}`);
    if (!this.#closed) await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
  }

  /** What proxies need of a lease: what it says of its writer's own identity and namespace, and nothing else. */
  #bodyOf({ proxy, endpoints, admin, from }: Lease): { endpoints: readonly unknown[]; admin: string } {
    const own = from === undefined ? endpoints : endpoints.filter((endpoint) => isOwn(endpoint, from));
    const reached = this.#machines ? own.filter((endpoint) => !isNowhere(endpoint)) : own;
    if (reached.length < own.length && !this.#published.has(proxy)) {
      this.#onLog(`${proxy} registers an address of loopback, where no other machine reaches it: it is left out`);
    }
    return { endpoints: reached.slice(0, MAX_ENDPOINTS), admin };
  }

  #settle(key: string, body: string, lease: Lease | null): void {
    this.#published.set(key, body);
    if (lease === null) this.#settled.delete(key);
    else this.#settled.set(key, lease);
  }

  #forget(key: string): void {
    this.#published.delete(key);
    this.#settled.delete(key);
  }
}

/** An address at which others find themselves, or every address. */
function isNowhere(endpoint: unknown): boolean {
  const { address } = endpoint as { readonly address?: unknown };
  return typeof address === 'string' && /^(?:(?:::ffff:)?127\..*|::1|::|0\.0\.0\.0|localhost)$/.test(address);
}

function isOwn(endpoint: unknown, { namespace, serviceAccount }: ProxyIdentity): boolean {
  if (typeof endpoint !== 'object' || endpoint === null) return false;
  const said = endpoint as { readonly [key in 'namespace' | 'serviceAccount' | 'services']?: unknown };
  if (said.namespace !== namespace || said.serviceAccount !== serviceAccount) return false;
  return Array.isArray(said.services) && said.services.every((service) => isOf(service, namespace));
}

/** A short name is of the writer's namespace; a longer one says of which it is. */
function isOf(service: unknown, namespace: string): boolean {
  if (typeof service !== 'string') return false;
  const [, second, kind] = service.split('.');
  return second === undefined || (second === namespace && (kind === undefined || kind === 'svc'));
}
