// The streams and buckets the mesh needs, created by the control plane when they are missing and never changed behind its back.
import { DiscardPolicy, type JetStreamManager, NatsError, StorageType, type StreamConfig } from 'nats';
import type { Link } from './link.ts';
import type { Objects } from './objects.ts';
import {
  COMMIT_SUBJECT,
  CONFIG_STREAM,
  LEASE_PREFIX,
  LEASE_STREAM,
  LOG_SUBJECT,
  MANIFEST_STREAM,
  MANIFEST_SUBJECT,
  STATUS_PREFIX,
  STATUS_STREAM,
} from './subjects.ts';
import { BusUnavailableError } from './types.ts';

const HOUR_NS = 3_600_000_000_000;
const MAX_PROXIES = 20_000;

/** Safe to call from several control planes at once. Throws BusUnavailableError. */
export async function ensureStreams(link: Link, buckets: readonly Objects[], replicas: number): Promise<void> {
  try {
    const manager = await link.nc.jetstreamManager();
    for (const config of streams(replicas)) await ensure(manager, config);
  } catch (error) {
    if (!(error instanceof NatsError)) throw error;
    throw new BusUnavailableError(`NATS JetStream cannot be set up: ${error.message}`);
  }
  for (const bucket of buckets) await bucket.ensure();
}

function streams(num_replicas: number): (Partial<StreamConfig> & { name: string })[] {
  // All on disk: what is in memory is gone after a restart of nats-server, the stream itself included (tried on 2.9).
  const shared = { num_replicas, allow_direct: true, storage: StorageType.File };
  const lastValue = { ...shared, max_msgs_per_subject: 1, max_msgs: MAX_PROXIES };
  return [
    {
      ...shared,
      name: CONFIG_STREAM,
      subjects: [COMMIT_SUBJECT],
      // Never drops a commit by itself: what may go is decided after a manifest was written.
      discard: DiscardPolicy.New,
      republish: { src: COMMIT_SUBJECT, dest: LOG_SUBJECT },
    },
    { ...shared, name: MANIFEST_STREAM, subjects: [MANIFEST_SUBJECT] },
    { ...lastValue, name: LEASE_STREAM, subjects: [`${LEASE_PREFIX}.*`], max_age: HOUR_NS },
    { ...lastValue, name: STATUS_STREAM, subjects: [`${STATUS_PREFIX}.*`] },
  ];
}

async function ensure(manager: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await manager.streams.info(config.name);
  } catch (error) {
    if (!(error instanceof NatsError) || error.code !== '404') throw error;
    // Adding a stream that another control plane has just added, alike, succeeds.
    await manager.streams.add(config);
  }
}
