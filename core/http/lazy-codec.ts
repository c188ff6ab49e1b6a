// A codec that is loaded when the first connection speaks it: a proxy whose clients and services do not has nothing of it.

import type { Codec, CodecSource } from './codec.ts';

export class LazyCodec implements CodecSource {
  readonly expectedStreams: number;
  codec: Codec | null = null;
  private readonly read: () => Promise<Codec>;
  private loading: Promise<Codec> | null = null;

  constructor(expectedStreams: number, read: () => Promise<Codec>) {
    this.expectedStreams = expectedStreams;
    this.read = read;
  }

  load(): Promise<Codec> {
    this.loading ??= this.read().then((codec) => {
      this.codec = codec;
      return codec;
    });
    return this.loading;
  }
}
