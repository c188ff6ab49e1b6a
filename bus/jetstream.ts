// What the mesh asks of JetStream beyond reading, in its plain JSON requests: each says exactly what it means, which
// nats-server from 2.12 on insists on (unknown fields are refused there, and were passed over before).
import type { MsgHdrs } from 'nats';
import type { Link } from './link.ts';
import { BusUnavailableError } from './types.ts';

/** Somebody else stored under that subject first. Clustered servers have a number of their own for it. */
const WRONG_SEQUENCE: readonly (number | undefined)[] = [10071, 10164];

export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly num_replicas: number;
  /** ns; 0 = for ever. */
  readonly max_age?: number;
  readonly max_msgs?: number;
  readonly max_msgs_per_subject?: number;
  readonly discard?: 'old' | 'new';
  readonly allow_rollup_hdrs?: boolean;
  readonly republish?: { readonly src: string; readonly dest: string };
}

interface Reply {
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description: string };
}

/**
 * Makes a stream on disk, readable by direct gets, when there is none; never changes one that is there. Safe to call from
 * several control planes at once. Throws BusUnavailableError.
 */
export async function ensureStream(link: Link, config: StreamConfig): Promise<void> {
  if ((await link.stream(config.name)) !== null) return;
  // What is in memory is gone after a restart of nats-server, the stream itself included (tried on 2.9).
  const whole = {
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    max_consumers: -1,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    allow_direct: true,
    ...config,
  };
  const reply = await ask(link, `STREAM.CREATE.${config.name}`, whole);
  // Adding a stream that another control plane has just added, alike, succeeds.
  if (reply.error !== undefined) throw refused(`the stream ${config.name}`, reply.error.description);
}

/** Removes what a stream holds: all before a sequence, or all of one subject. Throws BusUnavailableError. */
export async function purge(
  link: Link,
  stream: string,
  what: { readonly seq: number } | { readonly filter: string },
): Promise<void> {
  const reply = await ask(link, `STREAM.PURGE.${stream}`, what);
  if (reply.error !== undefined) throw refused(`to trim ${stream}`, reply.error.description);
}

/**
 * Stores one message and gives its sequence; null when its headers expect another last sequence than the stream has. Throws
 * BusUnavailableError; what became of the message is unknown when its `outcome` says so.
 */
export async function store(
  link: Link,
  subject: string,
  payload: string | Uint8Array,
  headers?: MsgHdrs,
  timeoutMs?: number,
): Promise<number | null> {
  const ack = (await link.request(subject, payload, headers, timeoutMs)).json<Reply & { readonly seq: number }>();
  if (ack.error === undefined) return ack.seq;
  if (WRONG_SEQUENCE.includes(ack.error.err_code)) return null;
  throw refused(`to store ${subject}`, ack.error.description);
}

async function ask(link: Link, what: string, question: unknown): Promise<Reply> {
  return (await link.request(`$JS.API.${what}`, JSON.stringify(question))).json<Reply>();
}

function refused(what: string, why: string): BusUnavailableError {
  return new BusUnavailableError(`NATS refused ${what}: ${why}`);
}
