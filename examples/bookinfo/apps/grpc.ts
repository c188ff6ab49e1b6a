// gRPC by hand, as far as Bookinfo's stock is asked in it: a request and a reply with one number each, over HTTP/2.
//
//   service Stock { rpc Get(Book) returns (Copies); }      package bookinfo
//   message Book { int32 id = 1; }     message Copies { int32 count = 1; }
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';

export const GET = '/bookinfo.Stock/Get';
const PREFIX = 5;
const FIRST_FIELD = 0x08;
const NO_NUMBER = 'this is no message with a number';

/** A message whose first field is this number, with gRPC's prefix in front. */
export function message(number: number): Buffer {
  const field: number[] = [];
  if (number > 0) field.push(FIRST_FIELD);
  for (let rest = number; rest > 0; rest = Math.floor(rest / 128)) field.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
  return Buffer.from([0, 0, 0, 0, field.length, ...field]);
}

/** Throws an Error when the bytes are no such message. */
export function numberIn(bytes: Buffer): number {
  if (bytes.length < PREFIX || bytes.length - PREFIX !== bytes.readUInt32BE(1)) throw new Error(NO_NUMBER);
  const field = bytes.subarray(PREFIX);
  if (field.length === 0) return 0;
  if (field[0] !== FIRST_FIELD || field.length > 6) throw new Error(NO_NUMBER);
  return field.subarray(1).reduceRight((number, byte) => number * 128 + (byte & 0x7f), 0);
}

/** Calls Get of a stock. `url`: of the sidecar, or of the stock itself; `authority`: who is meant. */
export class StockClient {
  readonly #url: string;
  readonly #authority: string;
  #session: ClientHttp2Session | null = null;

  constructor(url: string, authority: string) {
    this.#url = url;
    this.#authority = authority;
  }

  /** Rejects with 'gRPC status N: why' when it is not told. */
  async copies(book: number, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<number> {
    const stream = this.#connected().request({
      ...headers,
      ':method': 'POST',
      ':path': GET,
      ':authority': this.#authority,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': `${timeoutMs}m`,
    });
    stream.setTimeout(timeoutMs + 1000, () => stream.close(constants.NGHTTP2_CANCEL));
    let told: IncomingHttpHeaders = {};
    // Of a reply without a message the head says how it ended.
    stream.on('response', (head) => (told = head));
    stream.on('trailers', (trailers) => (told = trailers));
    stream.end(message(book));
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const status = String(told['grpc-status'] ?? 2);
    if (status !== '0')
      throw new Error(`gRPC status ${status}: ${decodeURIComponent(String(told['grpc-message'] ?? ''))}`);
    return numberIn(Buffer.concat(chunks));
  }

  #connected(): ClientHttp2Session {
    if (this.#session !== null && !this.#session.closed && !this.#session.destroyed) return this.#session;
    this.#session = connect(this.#url);
    // Whoever calls over it hears of it.
    this.#session.on('error', () => undefined);
    return this.#session;
  }
}
