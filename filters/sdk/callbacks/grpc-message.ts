// Export: a message of a stream, or the answer to a call.

import { Body } from '../body';
import { grpcCaller } from '../grpc';

const message = new Body(5);

export function proxy_on_grpc_receive(root: u32, id: u32, size: u32): void {
  const filter = grpcCaller(root, id, false);
  if (filter == null) return;
  message.size = size;
  message.end = true;
  filter.onGrpcMessage(id, message);
}
