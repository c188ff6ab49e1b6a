// How guests name the upstream of a gRPC call: C++ ones by a serialised envoy.config.core.v3.GrpcService whose envoy_grpc
// (field 1) has the cluster's name (its field 1), Rust ones by the name alone.

/** The cluster's name, or '' when a message names none that we could call (google_grpc). */
export function grpcClusterName(bytes: Uint8Array): string {
  if (bytes.length === 0) return '';
  const service = fieldsOf(bytes);
  // A name's letters are no fields of these numbers and lengths.
  if (service === null) return Buffer.from(bytes).toString('utf8');
  const envoy = service.get(ENVOY_GRPC);
  const name = envoy === undefined ? undefined : fieldsOf(envoy)?.get(CLUSTER_NAME);
  return name === undefined ? '' : Buffer.from(name).toString('utf8');
}

const ENVOY_GRPC = 1;
const CLUSTER_NAME = 1;
/** The fields of GrpcService and EnvoyGrpc go to 8. */
const MAX_FIELD = 15;
const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** The length-delimited fields of a message by number (the last of each counts), or null when the bytes are none. */
function fieldsOf(bytes: Uint8Array): Map<number, Uint8Array> | null {
  const fields = new Map<number, Uint8Array>();
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
      fields.set(number, bytes.subarray(at, at + length));
      at += length;
    } else return null;
    if (at > bytes.length) return null;
  }
  return fields;
}
