// A message as a stream holds it, from either of the two ways to read one: a direct get, which any copy of the stream answers, and
// a question to the stream's leader.
import { headers, type Msg, type MsgHdrs } from 'nats';
import { type JetStreamError, refusal } from './attempts.ts';
import { BusUnavailableError } from './types.ts';

export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  /** The server's clock, ms since the epoch. */
  readonly time: number;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

export type StreamQuery =
  | { readonly seq: number }
  | { readonly last_by_subj: string }
  | { readonly seq: number; readonly next_by_subj: string };

/** null: that copy has none such. */
export function fromDirectGet(reply: Msg, stream: string): StoredMessage | null {
  const found = reply.headers;
  if (found === undefined || found.code === 404) return null;
  if (found.code >= 300) throw new BusUnavailableError(`NATS: ${found.code} ${found.description} (${stream})`);
  return {
    subject: lastValue(found, 'Nats-Subject'),
    sequence: Number(lastValue(found, 'Nats-Sequence')),
    time: Date.parse(lastValue(found, 'Nats-Time-Stamp')),
    data: reply.data,
    headers: found,
  };
}

interface LeaderReply {
  readonly error?: JetStreamError;
  readonly message: {
    readonly subject: string;
    readonly seq: number;
    readonly hdrs?: string;
    readonly data?: string;
    readonly time: string;
  };
}

/** null: the stream has none such. */
export function fromLeader(reply: Msg, stream: string): StoredMessage | null {
  const { error, message } = reply.json<LeaderReply>();
  if (error?.code === 404) return null;
  if (error !== undefined) throw refusal(`does not read ${stream}`, error);
  const { subject, seq: sequence, hdrs, data = '', time } = message;
  return {
    ...{ subject, sequence, time: Date.parse(time), data: Buffer.from(data, 'base64') },
    headers: hdrs === undefined ? undefined : parseHeaders(Buffer.from(hdrs, 'base64').toString()),
  };
}

/** As they are on the wire: a line with the protocol, then one each. */
function parseHeaders(text: string): MsgHdrs {
  const parsed = headers();
  for (const line of text.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) parsed.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return parsed;
}

/** Of several the server's own comes last. */
function lastValue(found: MsgHdrs, name: string): string {
  return found.values(name).at(-1) ?? '';
}
