// The frames of the toy codec: a second codec that exists to prove that nothing above codecs knows HTTP/1.
//
//   payload's length u32 | type u8 | 1: ends its direction u8 | stream u32 | payload

import { Head } from '../../../../core/http/head.ts';
import { type Outbox, reserve, reservedAt } from '../../../../core/transport/outbox.ts';
import { fieldsOf } from '../../http1/rig.ts';

export const HEAD = 0;
export const DATA = 1;
export const TRAILERS = 2;
export const RESET = 3;
/** The sender wants no more of this stream for now, and then it does again. */
export const HOLD = 4;
export const GO_ON = 5;
/** Of the connection, with how many streams at a time the sender takes; and that it takes no further one. */
export const LIMIT = 6;
export const GOAWAY = 7;

const HEADER = 10;
const MOST_PAYLOAD = 1 << 20;
const NOTHING = Buffer.alloc(0);

export function writeFrame(out: Outbox, type: number, stream: number, payload: Buffer = NOTHING, end = false): void {
  const bytes = reserve(HEADER);
  const at = reservedAt(bytes);
  bytes.writeUInt32BE(payload.length, at);
  bytes[at + 4] = type;
  bytes[at + 5] = end ? 1 : 0;
  bytes.writeUInt32BE(stream, at + 6);
  out.commit(bytes, HEADER);
  out.append(payload);
}

export interface FrameSink {
  onFrame(type: number, stream: number, payload: Buffer, end: boolean): void;
  /** What follows cannot be told apart. */
  onBrokenFrames(): void;
}

export class FrameReader {
  private rest = NOTHING;

  push(piece: Buffer, sink: FrameSink): void {
    const bytes = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const size = bytes.readUInt32BE(at);
      if (size > MOST_PAYLOAD) {
        sink.onBrokenFrames();
        return;
      }
      const end = at + HEADER + size;
      if (end > bytes.length) break;
      sink.onFrame(bytes[at + 4], bytes.readUInt32BE(at + 6), bytes.subarray(at + HEADER, end), bytes[at + 5] === 1);
      at = end;
    }
    // A copy: what came is borrowed.
    this.rest = at === bytes.length ? NOTHING : Buffer.from(bytes.subarray(at));
  }
}

export function encodeHead(head: Head): Buffer {
  const { method, scheme, status, contentLength } = head;
  const { path, authority } = method === '' ? { path: '', authority: '' } : head;
  return Buffer.from(
    JSON.stringify({ method, scheme, authority, path, status, contentLength, fields: fieldsOf(head) }),
  );
}

/** Null: it is none. */
export function decodeHead(payload: Buffer): Head | null {
  let text: Partial<ReturnType<typeof JSON.parse>>;
  try {
    text = JSON.parse(payload.latin1Slice());
  } catch {
    return null;
  }
  const { method, scheme, authority, path, status, contentLength, fields } = text;
  const head = method === '' ? Head.response(status, fields) : Head.request(method, authority, path, fields);
  head.scheme = scheme;
  head.contentLength = contentLength;
  return head;
}
