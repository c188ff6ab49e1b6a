// What the mesh asks of JetStream beyond reading, in its plain JSON requests: each says exactly what it means, which
// nats-server from 2.12 on insists on (unknown fields are refused there, and were passed over before).
import type { MsgHdrs } from 'nats';
import { attempts, type JetStreamError, refusal } from './attempts.ts';
import type { Link } from './link.ts';

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
  readonly error?: JetStreamError;
}

/** A change, which a cluster agrees upon first; longer than it takes to elect a leader. */
const AGREED_MS = 15_000;
/** A change of a stream, and one attempt at it. */
const STREAM_MS = 5_000;
const STREAM_ATTEMPT_MS = 2_500;

/**
 * Makes a stream on disk, readable by direct gets, when there is none; of one that is there it changes nothing but that it gets
 * more copies. Safe to call from several control planes at once. Throws BusUnavailableError.
 */
export async function ensureStream(link: Link, config: StreamConfig): Promise<void> {
  const { name, num_replicas } = config;
  const there = await link.stream(name);
  if (there !== null) {
    if (there.config.num_replicas >= num_replicas) return;
    const raised = { ...there.config, num_replicas };
    return await ask(link, `STREAM.UPDATE.${name}`, raised, `refused ${num_replicas} copies of the stream ${name}`);
  }
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
  // Adding a stream that another control plane has just added, alike, succeeds.
  await ask(link, `STREAM.CREATE.${name}`, whole, `refused the stream ${name}`);
}

/** Removes what a stream holds: all before a sequence, or all of one subject. Throws BusUnavailableError. */
export async function purge(
  link: Link,
  stream: string,
  what: { readonly seq: number } | { readonly filter: string },
): Promise<void> {
  await ask(link, `STREAM.PURGE.${stream}`, what, `refused to trim ${stream}`);
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
  throw refusal(`refused to store ${subject}`, ack.error);
}

/** Stores what may be there twice, or counts once however often it is stored: again until it is known to be there. */
export function storeAgain(link: Link, subject: string, payload: string | Uint8Array, headers?: MsgHdrs) {
  return attempts(link, AGREED_MS, (left) => store(link, subject, payload, headers, left));
}

function ask(link: Link, what: string, question: unknown, refused: string): Promise<void> {
  return attempts(
    link,
    STREAM_MS,
    async (left) => {
      const reply = (await link.request(`$JS.API.${what}`, JSON.stringify(question), undefined, left)).json<Reply>();
      if (reply.error !== undefined) throw refusal(refused, reply.error);
    },
    STREAM_ATTEMPT_MS,
  );
}
