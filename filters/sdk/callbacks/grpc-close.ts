// Export: a stream is over, or a call without an answer.

import { grpcCaller } from '../grpc';

export function proxy_on_grpc_close(root: u32, id: u32, status: u32): void {
  const filter = grpcCaller(root, id, true);
  if (filter != null) filter.onGrpcClose(id, status);
}
