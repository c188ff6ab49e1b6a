// Export: the metadata behind the messages of a stream.

import { grpcCaller } from '../grpc';
import { Head } from '../head';

const trailers = new Head(5);

export function proxy_on_grpc_receive_trailing_metadata(root: u32, stream: u32, count: u32): void {
  const filter = grpcCaller(root, stream, false);
  if (filter == null) return;
  trailers.count = count;
  trailers.end = true;
  filter.onGrpcTrailers(stream, trailers);
}
