// The peers, in the order in which a round measures them.

import { caddy } from './caddy.ts';
import { direct } from './direct.ts';
import { envoy } from './envoy.ts';
import { haproxy } from './haproxy.ts';
import { httpProxy } from './http-proxy.ts';
import { nghttpx } from './nghttpx.ts';
import { nginx } from './nginx.ts';
import { nodeHttp2 } from './node-http2.ts';
import type { Peer } from './peer.ts';
import { replyFrom } from './reply-from.ts';
import { weft } from './weft.ts';

export const peers: readonly Peer[] = [
  nginx,
  haproxy,
  caddy,
  nghttpx,
  envoy,
  replyFrom,
  httpProxy,
  nodeHttp2,
  weft,
  direct,
];
