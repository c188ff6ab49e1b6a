// Opens the bus: one NATS connection and the parts that speak over it.
import { setTimeout as delay } from 'node:timers/promises';
import { Seal } from './commit-format.ts';
import { NatsConfigLog } from './config-log.ts';
import { NatsElection } from './election.ts';
import { endInOrder } from './in-order.ts';
import { type Clock, NatsLeaseBoard, SYSTEM_CLOCK } from './leases.ts';
import { type Link, openLink } from './link.ts';
import { type HistoryLimits, Manifests } from './manifests.ts';
import { Objects } from './objects.ts';
import { NatsStatusBoard } from './statuses.ts';
import { ensureStreams } from './streams.ts';
import { CONFIG_LOG, ENDPOINT_LOG, inboxPrefix, type LogNames, OBJECT_BUCKET, type Role } from './subjects.ts';
import { type Bus, type BusOptions, BusUnavailableError } from './types.ts';

export interface OpenBusOptions extends BusOptions {
  readonly role: Role;
  /** How long the first connection may take, in ms; Infinity = until `signal`. Default 10 s. */
  readonly waitMs?: number;
  /** Ends waiting for the first connection. */
  readonly signal?: AbortSignal;
  /** Copies of each stream in a NATS cluster. Default 1. */
  readonly replicas?: number;
  /** A follower that heard nothing for this long asks the log where it stands. Default 5 s. */
  readonly confirmMs?: number;
  readonly history?: Partial<HistoryLimits>;
  /** By which leases are renewed and expire. */
  readonly clock?: Clock;
}

/** How long an end may wait for what is being written, and for the goodbye. */
const MANIFEST_MS = 2_000;
const LEAVE_MS = 1_500;

const HISTORY: HistoryLimits = { manifestEvery: 50, commits: 1_000, maxAgeMs: 90 * 86_400_000 };
/** Nobody asks where a service was; those who were away for a moment read on. */
const ENDPOINT_HISTORY: HistoryLimits = { manifestEvery: 100, commits: 100, maxAgeMs: 86_400_000 };

/**
 * Connects and, as control, creates the streams that are missing. Throws BusUnavailableError when NATS does not answer
 * within `waitMs`; afterwards the connection comes back by itself for as long as the bus is open.
 */
export async function openBus(options: OpenBusOptions): Promise<Bus> {
  const { role, replicas = 1, clock = SYSTEM_CLOCK } = options;
  const seal = new Seal(options);
  const link = await openLink({
    ...options,
    waitMs: options.waitMs ?? 10_000,
    inboxPrefix: inboxPrefix(role, options.user),
  });
  const onProblem = (message: string) => options.onConnection?.(link.connected ? 'connected' : 'disconnected', message);
  const openLog = (names: LogNames, limits: HistoryLimits) => {
    const packs = new Objects(link, names.bucket, replicas);
    const manifests = new Manifests({ link, names, objects: packs, seal, limits, onProblem });
    const confirmMs = options.confirmMs ?? 5_000;
    return { packs, manifests, log: new NatsConfigLog({ link, names, objects: packs, manifests, seal, confirmMs }) };
  };
  const objects = new Objects(link, OBJECT_BUCKET, replicas);
  const logs = [
    openLog(CONFIG_LOG, { ...HISTORY, ...options.history }),
    openLog(ENDPOINT_LOG, ENDPOINT_HISTORY),
  ] as const;
  const buckets = [objects, ...logs.map(({ packs }) => packs)];
  if (role === 'control') {
    const ensure = () => ensureStreams(link, buckets, replicas);
    try {
      await ensure();
    } catch (error) {
      await link.close();
      throw error;
    }
    // The NATS that came back may have lost its data.
    link.onUp(() => void keepTrying(ensure, link, onProblem));
  }
  const [config, endpoints] = logs;
  const idle = () => Promise.all(logs.map(({ manifests }) => manifests.idle()));
  return {
    config: config.log,
    endpoints: endpoints.log,
    leases: new NatsLeaseBoard(link, clock),
    election: new NatsElection(link, clock),
    statuses: new NatsStatusBoard(link),
    objects,
    get connected() {
      return link.connected;
    },
    close: () =>
      endInOrder(
        [
          { what: 'writing a manifest', ms: MANIFEST_MS, end: () => (link.connected ? idle() : null) },
          { what: 'leaving NATS', ms: LEAVE_MS, end: () => link.close() },
        ],
        onProblem,
      ),
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
