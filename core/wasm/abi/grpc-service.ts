// How guests name the upstream of a gRPC call: C++ ones by a serialised envoy.config.core.v3.GrpcService whose envoy_grpc
// (field 1) has the cluster's name (its field 1) and the authority (2), Rust ones by the name alone. Field 5 is what every call of the
// service carries.

import type { Pair } from './pairs.ts';

export interface GrpcService {
  /** '': a message that names none which we could call (google_grpc). */
  readonly cluster: string;
  /** '': none is said. */
  readonly authority: string;
  readonly metadata: readonly Pair[];
}

export function grpcService(bytes: Uint8Array): GrpcService {
  const fields = bytes.length === 0 ? [] : fieldsOf(bytes);
  // A name's letters are no fields of these numbers and lengths.
  if (fields === null) return { cluster: Buffer.from(bytes).toString('utf8'), authority: '', metadata: [] };
  const envoy = fieldsOf(last(fields, ENVOY_GRPC) ?? NOTHING) ?? [];
  const metadata: Pair[] = [];
  for (const { number, bytes: header } of fields) {
    const pair = number === INITIAL_METADATA ? fieldsOf(header) : null;
    if (pair === null) continue;
    const name = Buffer.from(last(pair, 1) ?? NOTHING).latin1Slice();
    metadata.push([name.toLowerCase(), Buffer.from(last(pair, 2) ?? last(pair, 3) ?? NOTHING).latin1Slice()]);
  }
  return { cluster: text(last(envoy, CLUSTER_NAME)), authority: text(last(envoy, AUTHORITY)), metadata };
}

const NOTHING = new Uint8Array(0);
const ENVOY_GRPC = 1;
const INITIAL_METADATA = 5;
const CLUSTER_NAME = 1;
const AUTHORITY = 2;
/** The fields of GrpcService and EnvoyGrpc go to 8. */
const MAX_FIELD = 15;
const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

interface Field {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** Of a field that is there more than once the last counts. */
function last(fields: readonly Field[], number: number): Uint8Array | undefined {
  return fields.findLast((field) => field.number === number)?.bytes;
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString('utf8');
}

/** The length-delimited fields of a message, or null when the bytes are none. */
function fieldsOf(bytes: Uint8Array): Field[] | null {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 32 && at < bytes.length; shift += 7) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >> 3;
    if (tag < 0 || number === 0 || number > MAX_FIELD) return null;
    const type = tag & 7;
    if (type === VARINT) {
      if (varint() < 0) return null;
    } else if (type === FIXED64 || type === FIXED32) at += type === FIXED64 ? 8 : 4;
    else if (type === LENGTH_DELIMITED) {
      const length = varint();
      if (length < 0 || at + length > bytes.length) return null;
      fields.push({ number, bytes: bytes.subarray(at, at + length) });
      at += length;
    } else return null;
    if (at > bytes.length) return null;
  }
  return fields;
}
