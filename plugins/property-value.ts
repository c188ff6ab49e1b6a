// A property as a person writes it, in the encoding that guests expect of it.

const INTEGERS =
  /^(request\.(size|total_size|time|duration)|response\.(code|flags|grpc_status|size|total_size)|(source|destination|upstream)\.port|connection\.id|listener_direction)$/;

/** `path` with dots. Throws a RangeError that says what the property is. */
export function propertyValue(path: string, value: string): Uint8Array {
  if (INTEGERS.test(path)) {
    if (!/^-?\d{1,18}$/.test(value)) throw new RangeError(`${path} is an integer`);
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  }
  if (path === 'connection.mtls') {
    if (value !== 'true' && value !== 'false') throw new RangeError(`${path} is true or false`);
    return Uint8Array.of(value === 'true' ? 1 : 0);
  }
  return Buffer.from(value);
}
