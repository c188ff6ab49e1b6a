// gRPC-Web, which browsers speak since they see no trailers: between the client's stream and the exchange, so that filters, routes and
// upstreams know gRPC alone. As Envoy's grpc_web filter does it; the protocol is PROTOCOL-WEB.md of gRPC.
//
//   application/grpc-web        the body is gRPC's; behind the answer's messages comes one more with the trailers:
//                               u8 0x80 | u32 length, big-endian | (name ":" value CR LF)*
//   application/grpc-web-text   the same in base64

import type { DownstreamStream, Receiver } from '../http/codec.ts';
import { isGrpc } from '../http/grpc-status.ts';
import { FieldName, type Head } from '../http/head.ts';
import type { Connection } from '../transport/transport.ts';
import type { LocalReply } from './filter.ts';
import { GrpcMessages } from './grpc-messages.ts';
import { encodeText, GrpcWebText } from './grpc-web-text.ts';

const CONTENT_TYPE = new FieldName('content-type');
const TE = new FieldName('te');
const WEB = /^application\/grpc-web(-text)?(?=[+;\s]|$)/i;
const PROTO = '+proto';

/** The exchange whose client may speak gRPC-Web. */
export interface WebExchange extends Receiver {
  stream: DownstreamStream;
  messages: GrpcMessages | null;
  readonly requestHead: Head;
  reply(reply: LocalReply): void;
}

/** Who receives the rest of the request: the exchange, for what is no gRPC-Web. */
export function unwebbed(exchange: WebExchange): Receiver {
  const { requestHead: head } = exchange;
  const type = head.method === 'POST' ? head.get(CONTENT_TYPE) : undefined;
  const web = type === undefined ? null : WEB.exec(type);
  if (web === null) return exchange;
  const text = web[1] !== undefined;
  head.put(CONTENT_TYPE, `application/grpc${type!.slice(web[0].length)}`);
  if (!head.has(TE)) head.put(TE, 'trailers');
  if (text && head.contentLength > 0) head.contentLength = -1;
  exchange.messages = new GrpcMessages();
  exchange.stream = new GrpcWebStream(exchange.stream, text);
  return text ? new TextReceiver(exchange) : exchange;
}

/** The client's stream, as the exchange writes gRPC to it. */
class GrpcWebStream implements DownstreamStream {
  private readonly stream: DownstreamStream;
  private readonly text: boolean;
  /** The answer is gRPC's: another one passes as it is. */
  private web = false;

  constructor(stream: DownstreamStream, text: boolean) {
    this.stream = stream;
    this.text = text;
  }

  get connection(): Connection {
    return this.stream.connection;
  }
  get protocol(): string {
    return this.stream.protocol;
  }
  get destination(): string | null {
    return this.stream.destination;
  }

  /** A status that is in the head, since there is nothing else, stays there. */
  writeHead(head: Head, end: boolean): void {
    this.web = isGrpc(head);
    if (this.web) {
      const suffix = head.get(CONTENT_TYPE)!.slice('application/grpc'.length);
      head.put(CONTENT_TYPE, `application/grpc-web${this.text ? '-text' : ''}${suffix === '' ? PROTO : suffix}`);
      if (!end) head.contentLength = -1;
    }
    this.stream.writeHead(head, end);
  }

  writeData(chunk: Buffer, end: boolean): boolean {
    return this.stream.writeData(this.web && this.text && chunk.length > 0 ? encodeText(chunk) : chunk, end);
  }

  writeTrailers(trailers: Head): void {
    if (this.web) this.writeData(trailersMessage(trailers), true);
    else this.stream.writeTrailers(trailers);
  }

  writeInterim(head: Head): boolean {
    return this.stream.writeInterim(head);
  }
  closeAfterResponse(): void {
    this.stream.closeAfterResponse();
  }
  pauseReading(): void {
    this.stream.pauseReading();
  }
  resumeReading(): void {
    this.stream.resumeReading();
  }
  reset(): void {
    this.stream.reset();
  }
}

function trailersMessage(trailers: Head): Buffer {
  let text = '';
  const { size } = trailers;
  for (let i = 0; i < size; i++) {
    const name = trailers.nameAt(i);
    if (name !== '') text += `${name.toLowerCase()}:${trailers.valueAt(i)}\r\n`;
  }
  const message = Buffer.allocUnsafe(5 + text.length);
  message[0] = 0x80;
  message.writeUInt32BE(text.length, 1);
  message.latin1Write(text, 5);
  return message;
}

/** Reads base64 for the exchange. */
class TextReceiver implements Receiver {
  private readonly exchange: WebExchange;
  private readonly text = new GrpcWebText();
  private broken = false;

  constructor(exchange: WebExchange) {
    this.exchange = exchange;
  }

  onData(chunk: Buffer, end: boolean): void {
    if (this.broken) return;
    const bytes = this.text.decode(chunk);
    if (bytes !== null && (!end || this.text.whole)) {
      if (bytes.length > 0 || end) this.exchange.onData(bytes, end);
      return;
    }
    this.broken = true;
    this.exchange.reply(BAD_TEXT);
  }

  onTrailers(trailers: Head): void {
    if (!this.broken) this.exchange.onTrailers(trailers);
  }

  onReset(reason: Parameters<Receiver['onReset']>[0]): void {
    this.exchange.onReset(reason);
  }

  onWritable(): void {
    this.exchange.onWritable();
  }
}

/** Envoy's words. */
const BAD_TEXT: LocalReply = {
  status: 400,
  details: 'grpc_base_64_decode_failed',
  body: 'Bad gRPC-web request, invalid base64 data.',
  fields: [],
  grpcStatus: -1,
};
