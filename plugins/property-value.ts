// A property as a person writes it, in the encoding that guests expect of it.

import { propertyType } from '../core/wasm/abi/properties.ts';

/** `path` with dots. Throws a RangeError that says what the property is. */
export function propertyValue(path: string, value: string): Uint8Array {
  switch (propertyType(path)) {
    case 'int':
    case 'duration':
    case 'timestamp': {
      if (!/^-?\d{1,18}$/.test(value)) throw new RangeError(`${path} is an integer`);
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      return bytes;
    }
    case 'bool':
      if (value !== 'true' && value !== 'false') throw new RangeError(`${path} is true or false`);
      return Uint8Array.of(value === 'true' ? 1 : 0);
    default:
      return Buffer.from(value);
  }
}
