// Export: the metadata in front of the messages of a stream.

import { grpcCaller } from '../grpc';
import { Head } from '../head';

const head = new Head(4);

export function proxy_on_grpc_receive_initial_metadata(root: u32, stream: u32, count: u32): void {
  const filter = grpcCaller(root, stream, false);
  if (filter == null) return;
  head.count = count;
  filter.onGrpcMetadata(stream, head);
}
