// The few pieces of DER (X.690) that a workload's certificate is put together from, and in which a request for one is read. Lengths
// are of at most two bytes: a request has 8 KiB.

export const SEQUENCE = 0x30;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
/** Context-specific, by its number. */
export const tagged = (number: number): number => 0xa0 | number;

/** One value: its tag, its length, and what it is made of. Throws RangeError for more than two bytes of length can say. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  if (length > 0xffff) throw new RangeError(`${length} bytes in one value of a certificate: at most 65535 go`);
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), ...parts]);
}

/** Where a value lies: `from` its tag, `at` its content, `end` behind it. */
export interface DerValue {
  readonly tag: number;
  readonly from: number;
  readonly at: number;
  readonly end: number;
}

/** The value that begins at `from` and ends by `limit`. Throws RangeError when there is none. */
export function readDer(bytes: Uint8Array, from: number, limit: number, tag: number): DerValue {
  if (limit > bytes.byteLength || from + 2 > limit || bytes[from] !== tag) throw new RangeError('another value');
  const first = bytes[from + 1];
  const more = first < 0x80 ? 0 : first & 0x7f;
  if (more > 2 || first === 0x80 || from + 2 + more > limit) throw new RangeError('no such length');
  let length = more === 0 ? first : 0;
  for (let i = 0; i < more; i++) length = length * 256 + bytes[from + 2 + i];
  // As short as it can be written.
  if ((more === 1 && length < 0x80) || (more === 2 && length < 0x100)) throw new RangeError('a longer length');
  const at = from + 2 + more;
  if (at + length > limit) throw new RangeError('cut off');
  return { tag, from, at, end: at + length };
}
