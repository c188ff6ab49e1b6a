// A codec of the tests: many streams at a time on one connection, in frames with their length in front.

import type { Codec } from '../../../../core/http/codec.ts';
import { ToyClientConnection, ToyServerConnection } from './connection.ts';

/** `allowed`: streams that its server end takes at a time; `expectedStreams`: what its client end thinks before it knows. */
export function toyCodec(allowed = 100, expectedStreams = allowed): Codec {
  return {
    expectedStreams,
    serve: (transport, handler) => new ToyServerConnection(transport, handler, allowed),
    connect: (transport) => new ToyClientConnection(transport, expectedStreams),
  };
}
