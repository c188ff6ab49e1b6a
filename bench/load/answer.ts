// Finds the end of an answer among the bytes of a connection, and whether it was a success. The load generator's own: it
// reads what well-behaved servers write, and counts what it does not understand as an error.

const HEAD_END = '\r\n\r\n';
const LAST_CHUNK = '0\r\n\r\n';

export class AnswerReader {
  status = 0;
  /** Of the body, as announced; -1: in chunks. */
  bodyBytes = -1;
  private head = '';
  /** Of a body of known length; -1: no head yet. */
  private left = -1;
  private isChunked = false;
  private tail = '';

  /** True when the answer is complete. Throws what is no HTTP/1.1. */
  push(bytes: Buffer, size: number): boolean {
    if (this.left === -1 && !this.isChunked) {
      const before = this.head.length;
      this.head += bytes.latin1Slice(0, size);
      const end = this.head.indexOf(HEAD_END);
      if (end < 0) return false;
      this.readHead(this.head.slice(0, end));
      const body = end + HEAD_END.length - before;
      if (this.isChunked) return this.chunked(bytes.latin1Slice(body, size));
      this.left -= size - body;
    } else if (this.isChunked) return this.chunked(bytes.latin1Slice(Math.max(0, size - LAST_CHUNK.length), size));
    else this.left -= size;
    if (this.left < 0) throw new Error('more bytes than the answer announced');
    return this.left === 0;
  }

  reset(): void {
    this.head = '';
    this.tail = '';
    this.left = -1;
    this.isChunked = false;
  }

  private readHead(head: string): void {
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head);
    if (status === null) throw new Error('no answer in HTTP/1.1');
    this.status = Number(status[1]);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    this.bodyBytes = length === null ? -1 : Number(length[1]);
    if (length !== null) this.left = this.bodyBytes;
    else if (/\r\ntransfer-encoding: *chunked/i.test(head)) this.isChunked = true;
    else throw new Error('an answer whose end cannot be told');
  }

  private chunked(text: string): boolean {
    this.tail = (this.tail + text).slice(-LAST_CHUNK.length);
    return this.tail === LAST_CHUNK;
  }
}
