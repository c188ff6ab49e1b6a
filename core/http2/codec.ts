// HTTP/2 as a codec: many requests at a time on one connection, at either end. Loaded when the first connection speaks it.

import type { Codec } from '../http/codec.ts';
import { connect } from './client.ts';
import { MAX_STREAMS } from './limits.ts';
import { serve } from './server.ts';

export const http2: Codec = { expectedStreams: MAX_STREAMS, serve, connect };
