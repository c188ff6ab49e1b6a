// The streams and buckets the mesh needs, created by the control plane when they are missing and never changed behind its back.
import { ensureStream, type StreamConfig } from './jetstream.ts';
import type { Link } from './link.ts';
import type { Objects } from './objects.ts';
import {
  ACCESS_HEARD,
  ACCESS_STREAM,
  ACCESS_SUBJECT,
  CONFIG_LOG,
  ENDPOINT_LOG,
  everybody,
  LEASE_PREFIX,
  LEASE_STREAM,
  REVOKED_PREFIX,
  SECRET_STREAM,
  SECRET_SUBJECT,
  STATUS_PREFIX,
  STATUS_STREAM,
  TOKEN_PREFIX,
  TOKEN_STREAM,
  TRUST_STREAM,
  TRUST_SUBJECT,
  USER_PREFIX,
  USER_STREAM,
  USES_SUBJECT,
  WRITER_STREAM,
  WRITER_SUBJECT,
} from './subjects.ts';

const HOUR_NS = 3_600_000_000_000;
const MAX_PROXIES = 20_000;

/** Safe to call from several control planes at once. Throws BusUnavailableError. */
export async function ensureStreams(link: Link, buckets: readonly Objects[], replicas: number): Promise<void> {
  for (const config of streams(replicas)) await ensureStream(link, config);
  for (const bucket of buckets) await bucket.ensure();
}

function streams(num_replicas: number): StreamConfig[] {
  const lastValue = { num_replicas, max_msgs_per_subject: 1, max_msgs: MAX_PROXIES };
  return [
    ...[CONFIG_LOG, ENDPOINT_LOG].flatMap(({ stream, commits, heard, manifestStream, manifests }): StreamConfig[] => [
      {
        num_replicas,
        name: stream,
        subjects: [commits],
        // Never drops a commit by itself: what may go is decided after a manifest was written.
        discard: 'new',
        republish: { src: commits, dest: heard },
      },
      { num_replicas, name: manifestStream, subjects: [manifests] },
    ]),
    { num_replicas, max_msgs_per_subject: 1, name: WRITER_STREAM, subjects: [WRITER_SUBJECT] },
    { num_replicas, max_msgs_per_subject: 1, name: TRUST_STREAM, subjects: [TRUST_SUBJECT] },
    {
      num_replicas,
      max_msgs_per_subject: 1,
      name: ACCESS_STREAM,
      subjects: [`${ACCESS_SUBJECT}.*`, `${USES_SUBJECT}.*`],
      republish: { src: 'weft.access.>', dest: `${ACCESS_HEARD}.>` },
    },
    {
      ...lastValue,
      name: USER_STREAM,
      subjects: [`${everybody(USER_PREFIX)}.*`, `${REVOKED_PREFIX}.*`],
      max_age: 48 * HOUR_NS,
    },
    { num_replicas, max_msgs_per_subject: 1, name: SECRET_STREAM, subjects: [`${SECRET_SUBJECT}.*`] },
    { num_replicas, max_msgs_per_subject: 1, name: TOKEN_STREAM, subjects: [`${TOKEN_PREFIX}.*`] },
    { ...lastValue, name: LEASE_STREAM, subjects: [everybody(LEASE_PREFIX)], max_age: HOUR_NS },
    { ...lastValue, name: STATUS_STREAM, subjects: [everybody(STATUS_PREFIX)] },
  ];
}
