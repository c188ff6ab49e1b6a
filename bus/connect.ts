// Opens the bus: one NATS connection and the parts that speak over it.
import { setTimeout as delay } from 'node:timers/promises';
import { NatsAccessRecords } from './access-records.ts';
import { attempts } from './attempts.ts';
import { NatsCertificates } from './certificates.ts';
import { openLink } from './dial.ts';
import { NatsElection } from './election.ts';
import { Heads } from './heads.ts';
import { endInOrder } from './in-order.ts';
import { type Clock, NatsLeaseBoard, SYSTEM_CLOCK } from './leases.ts';
import { LifeSigns } from './life-signs.ts';
import type { Link, Login } from './link.ts';
import { Seal } from './log/commit-format.ts';
import { NatsConfigLog } from './log/config-log.ts';
import { type HistoryLimits, Manifests } from './log/manifests.ts';
import { Objects } from './objects.ts';
import { NatsQuestions } from './questions.ts';
import { NatsRecords } from './records.ts';
import { NatsSecrets } from './secrets.ts';
import { NatsStatusBoard } from './statuses.ts';
import { ensureStreams } from './streams.ts';
import {
  CONFIG_LOG,
  ENDPOINT_LOG,
  INFO_PREFIX,
  inboxPrefix,
  type LogNames,
  OBJECT_BUCKET,
  PROXY_INFO_PREFIX,
  PROXY_MESSAGE_PREFIX,
  type Role,
  TOKEN_PREFIX,
  TOKEN_STREAM,
} from './subjects.ts';
import { type Bus, type BusOptions, BusUnavailableError } from './types.ts';
import type { BusKeys, Revocations } from './users/accounts.ts';
import { fixedLogin, ProxyLogin } from './users/login.ts';
import { NatsUsers, USER_LIFE_MS } from './users/users.ts';

export interface OpenBusOptions extends BusOptions {
  readonly role: Role;
  /** A control plane's own user, and the keys by which it makes those of proxies. */
  readonly jwt?: string;
  readonly seed?: string;
  readonly keys?: BusKeys;
  /** How long a proxy's user lives, in ms. Default 24 h. */
  readonly userLifeMs?: number;
  /**
   * Of who looks after nats-server: told of all users that are not let in any more, for the server's next start. Resolves, with
   * those it knew before too, once that would not let them in.
   */
  keepOut?(revocations: Revocations): Promise<Revocations>;
  /** How long the first connection may take, in ms; Infinity = until `signal`. Default 10 s. */
  readonly waitMs?: number;
  /** Ends waiting for the first connection. */
  readonly signal?: AbortSignal;
  /** Copies of each stream in a NATS cluster; streams that have fewer get more, none gets fewer. Default 1. */
  readonly replicas?: number;
  /** A follower that heard nothing for this long asks the log where it stands. Default 25 s, of a control plane 5. */
  readonly confirmMs?: number;
  readonly history?: Partial<HistoryLimits>;
  /** By which leases are renewed and expire. */
  readonly clock?: Clock;
}

/** How long an end may wait for what is being written, and for the goodbye. */
const MANIFEST_MS = 2_000;
const LEAVE_MS = 1_500;

const HISTORY: HistoryLimits = { manifestEvery: 50, commits: 1_000, maxAgeMs: 90 * 86_400_000 };
/**
 * Nobody asks where a service was; those who were away for a moment read on. While a mesh joins, all read what came after the newest
 * full state one by one.
 */
const ENDPOINT_HISTORY: HistoryLimits = { manifestEvery: 5, commits: 100, maxAgeMs: 86_400_000 };
/** Who is told where the logs stand asks less often. */
const CONFIRM_MS = { proxy: 25_000, control: 5_000 } as const;

/**
 * Connects and, as control, creates the streams that are missing. Throws BusUnavailableError when NATS does not answer
 * within `waitMs`; afterwards the connection comes back by itself for as long as the bus is open.
 */
export async function openBus(options: OpenBusOptions): Promise<Bus> {
  const { role, replicas = 1, clock = SYSTEM_CLOCK } = options;
  const seal = new Seal(options);
  const login = await loginOf(options);
  const waitMs = options.waitMs ?? 10_000;
  const infoPrefix = role === 'control' ? INFO_PREFIX : PROXY_INFO_PREFIX;
  const inbox = inboxPrefix(options.user?.identity);
  const messagePrefix = role === 'control' ? undefined : PROXY_MESSAGE_PREFIX;
  const opened = performance.now();
  let heads: Heads | null = null;
  const spreadMs = () => (role === 'proxy' ? (heads?.spreadMs ?? 0) : 0);
  const link = await openLink({ ...options, login, waitMs, inboxPrefix: inbox, infoPrefix, messagePrefix, spreadMs });
  heads = new Heads(link);
  const signs = new LifeSigns(link, options.user?.identity, spreadMs);
  const onProblem = (message: string) => options.onConnection?.(link.connected ? 'connected' : 'disconnected', message);
  const openLog = (names: LogNames, limits: HistoryLimits) => {
    const packs = new Objects(link, names.bucket, replicas);
    const manifests = new Manifests({ link, names, objects: packs, seal, limits, onProblem });
    const confirmMs = options.confirmMs ?? CONFIRM_MS[role];
    const log = new NatsConfigLog({ link, names, objects: packs, manifests, seal, heads, confirmMs });
    return { packs, manifests, log };
  };
  const objects = new Objects(link, OBJECT_BUCKET, replicas);
  const logs = [
    openLog(CONFIG_LOG, { ...HISTORY, ...options.history }),
    openLog(ENDPOINT_LOG, ENDPOINT_HISTORY),
  ] as const;
  const buckets = [objects, ...logs.map(({ packs }) => packs)];
  let users: NatsUsers | null = null;
  if (role === 'control') {
    const { keys, servers, ca, keepOut, userLifeMs: lifeMs = USER_LIFE_MS } = options;
    users = keys === undefined ? null : new NatsUsers({ link, keys, servers, ca, lifeMs, keepOut, onProblem });
    const ensure = async () => {
      await ensureStreams(link, buckets, replicas);
      await users?.tellServers();
    };
    try {
      // Servers that have just begun elect first who leads.
      await attempts(link, waitMs - (performance.now() - opened), ensure);
    } catch (error) {
      await link.close();
      throw error;
    }
    // The NATS that came back may have lost its data.
    link.onUp(() => void keepTrying(ensure, link, onProblem));
    users?.serve();
  }
  const endRenewing = login instanceof ProxyLogin ? login.keepRenewing(link) : () => {};
  const [config, endpoints] = logs;
  const idle = () => Promise.all(logs.map(({ manifests }) => manifests.idle()));
  return {
    config: config.log,
    endpoints: endpoints.log,
    leases: new NatsLeaseBoard(link, clock, signs, options.user?.identity),
    users,
    heads,
    tokens: new NatsRecords(link, TOKEN_STREAM, TOKEN_PREFIX),
    access: new NatsAccessRecords(link, seal),
    certificates: new NatsCertificates({ link, heads, seal, identity: options.user?.identity, spreadMs, onProblem }),
    secrets: new NatsSecrets(
      link,
      { identity: options.user?.identity, seal, signingKey: options.signingKey },
      onProblem,
    ),
    questions: new NatsQuestions(link, options.user?.identity),
    election: new NatsElection(link, clock),
    statuses: new NatsStatusBoard(link, signs, options.user?.identity),
    objects,
    get connected() {
      return link.connected;
    },
    close: () => {
      endRenewing();
      return endInOrder(
        [
          { what: 'writing a manifest', ms: MANIFEST_MS, end: () => (link.connected ? idle() : null) },
          { what: 'telling NATS who is revoked', ms: LEAVE_MS, end: () => users?.close() },
          { what: 'leaving NATS', ms: LEAVE_MS, end: () => link.close() },
        ],
        onProblem,
      );
    },
  };
}

/** Until it works, or the connection is lost again. */
async function keepTrying(step: () => Promise<void>, link: Link, onProblem: (message: string) => void): Promise<void> {
  for (let told = false; link.connected; told = true) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) throw error;
      if (!told && link.connected) onProblem(error.message);
      await delay(500);
    }
  }
}

/** A proxy without a user that may be let in asks for one first, again and again until `waitMs` is over. */
async function loginOf({
  user,
  jwt = '',
  seed = '',
  waitMs = 10_000,
  signal,
  onConnection,
}: OpenBusOptions): Promise<Login> {
  if (user === undefined) return fixedLogin({ jwt, seed });
  const login = new ProxyLogin(user);
  const deadline = performance.now() + waitMs;
  for (let pause = 200, told = ''; !login.valid; pause = Math.min(pause * 2, 5_000)) {
    signal?.throwIfAborted();
    try {
      await login.enrol();
      // Whether it has expired is for the server to say: a clock that is wrong here keeps nobody out.
      break;
    } catch (error) {
      const { message } = error as Error;
      if (performance.now() + pause > deadline) throw new BusUnavailableError(`no user of NATS: ${message}`);
      if (message !== told) onConnection?.('disconnected', message);
      told = message;
      await delay(pause, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }
  return login;
}
