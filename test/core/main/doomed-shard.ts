// The real shard, with one more ear: a channel on which a test tells one shard how to die.

import { BroadcastChannel } from 'node:worker_threads';
import type { ShardStart } from '../../../core/shard/protocol.ts';
import shard from '../../../core/shard/shard.ts';

export const CHANNEL = 'weft-doomed-shards';

export interface Doom {
  readonly node: string;
  readonly shard: number;
  readonly how: 'throw' | 'reject' | 'loop' | 'exit';
}

export default function doomed(start: ShardStart): Promise<void> {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event: unknown) => {
    const { node, shard: index, how } = (event as { data: Doom }).data;
    if (node !== start.node.id || index !== start.index) return;
    if (how === 'exit') process.exit(3);
    if (how === 'loop') for (;;);
    if (how === 'reject') void Promise.reject(new Error('doom by rejection'));
    // Thrown from a callback of the event loop, as a bug in the data plane would be.
    else setImmediate(() => explode());
  };
  channel.unref();
  return shard(start);
}

function explode(): never {
  throw new TypeError('doom by exception');
}
