// HTTP/2 as a codec: many requests at a time on one connection, at either end. Loaded when the first connection speaks it.

import type { Codec } from '../http/codec.ts';
import { connectTo } from './client.ts';
import { MAX_SHARED, MAX_STREAMS } from './limits.ts';
import { serveAs } from './server.ts';

export const http2: Codec = {
  expectedStreams: MAX_STREAMS,
  serve: serveAs('HTTP/2', MAX_STREAMS),
  connect: connectTo(MAX_STREAMS),
};

/** The same frames, in which the requests are of HTTP/1.1: whom they are for hears nothing of the frames. */
export const multiplexed: Codec = {
  expectedStreams: MAX_SHARED,
  serve: serveAs('HTTP/1.1', MAX_SHARED),
  connect: connectTo(MAX_SHARED),
};
