// The peers, in the order in which a round measures them.

import { nginx } from './nginx.ts';
import type { Peer } from './peer.ts';
import { replyFrom } from './reply-from.ts';
import { weft } from './weft.ts';

export const peers: readonly Peer[] = [nginx, replyFrom, weft];
