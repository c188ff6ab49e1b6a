// The serialised list of pairs of proxy-wasm, little-endian:
//
//   u32 count | (u32 nameLength, u32 valueLength) * count | (name 00 value 00) * count
//
// An empty map is no bytes at all. What a guest hands in is bounded, and malformed input is an empty list, as in Envoy's host.

export type Pair = readonly [string, string];

const MAX_BYTES = 1024 * 1024;
const MAX_PAIRS = 1024;

/** Bytes that `encodePairs` writes for these pairs. Strings are latin1, one char a byte. */
export function pairsSize(pairs: readonly Pair[]): number {
  if (pairs.length === 0) return 0;
  let size = 4 + pairs.length * 8;
  for (const [name, value] of pairs) size += name.length + value.length + 2;
  return size;
}

export function encodePairs(pairs: readonly Pair[]): Buffer {
  const out = Buffer.allocUnsafe(pairsSize(pairs));
  if (pairs.length === 0) return out;
  out.writeUInt32LE(pairs.length, 0);
  let lengths = 4;
  let at = 4 + pairs.length * 8;
  for (const [name, value] of pairs) {
    out.writeUInt32LE(name.length, lengths);
    out.writeUInt32LE(value.length, lengths + 4);
    lengths += 8;
    at += out.latin1Write(name, at, name.length);
    out[at++] = 0;
    at += out.latin1Write(value, at, value.length);
    out[at++] = 0;
  }
  return out;
}

/** The pairs in `bytes`; names lower-cased, as every map of the ABI has them. */
export function decodePairs(bytes: Buffer): Pair[] {
  if (bytes.length < 4 || bytes.length > MAX_BYTES) return [];
  const count = bytes.readUInt32LE(0);
  if (count > MAX_PAIRS || 4 + count * 8 > bytes.length) return [];
  const pairs: Pair[] = [];
  let at = 4 + count * 8;
  for (let i = 0; i < count; i++) {
    const nameLength = bytes.readUInt32LE(4 + i * 8);
    const valueLength = bytes.readUInt32LE(8 + i * 8);
    if (at + nameLength + valueLength + 2 > bytes.length) return [];
    const name = bytes.latin1Slice(at, at + nameLength).toLowerCase();
    at += nameLength + 1;
    const value = bytes.latin1Slice(at, at + valueLength);
    at += valueLength + 1;
    pairs.push([name, value]);
  }
  return pairs;
}
