// gRPC-Web's text: base64 in pieces that may each end with padding, in chunks that end anywhere.

const PIECE = /[^=]+={0,2}/g;
const TEXT = /^(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)*$/;

export class GrpcWebText {
  private rest = '';

  /** Nothing is left that is not whole. */
  get whole(): boolean {
    return this.rest === '';
  }

  /** The bytes of all groups of four characters that are there; null: this is no base64. */
  decode(chunk: Buffer): Buffer | null {
    const text = this.rest + chunk.latin1Slice();
    const whole = text.length & ~3;
    this.rest = text.slice(whole);
    const groups = text.slice(0, whole);
    if (!TEXT.test(groups)) return null;
    const pieces = groups.match(PIECE) ?? [];
    return Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64')));
  }
}

export function encodeText(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('base64'), 'latin1');
}
