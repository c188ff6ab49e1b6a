// HTTP/1.1 as a codec: one request at a time on a connection to an upstream, answers in order on one from a client.

import type { Codec } from '../http/codec.ts';
import { Http1ClientConnection } from './client.ts';
import { Http1ServerConnection } from './server.ts';

export const http1: Codec = {
  expectedStreams: 1,
  serve: (transport, handler, options) => new Http1ServerConnection(transport, handler, options),
  connect: (transport, options) => new Http1ClientConnection(transport, options),
};
