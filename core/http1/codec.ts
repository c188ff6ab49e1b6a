// HTTP/1.1 as a codec: one request at a time on a connection to an upstream, answers in order on one from a client.

import type { Codec } from '../http/codec.ts';
import { connect } from './client.ts';
import { serve } from './server.ts';

export const http1: Codec = { expectedStreams: 1, serve, connect };
