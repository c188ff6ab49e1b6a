// The pieces of the built-in filters' configurations, little-endian; filters/sdk/cursor.ts reads them.
//
//   list    u16 count | item...
//   text    u16 length | bytes
//   sized   u32 size | the bytes, which a reader that needs none of them skips by their size

/** Throws when there are more than 65,535 items. */
export function list<T>(items: readonly T[], encode: (item: T) => Uint8Array): Buffer {
  return Buffer.concat([u16(items.length), ...items.map(encode)]);
}

/** Throws when it is longer than 65,535 bytes. */
export function text(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([u16(bytes.length), bytes]);
}

export function sized(...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length), body]);
}

export function u8(number: number): Buffer {
  return Buffer.of(number);
}

/** Throws beyond 65,535. */
export function u16(number: number): Buffer {
  if (number > 0xffff) throw new Error(`${number} is too many for a filter's configuration: at most 65535`);
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(number);
  return bytes;
}

export function u32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}
