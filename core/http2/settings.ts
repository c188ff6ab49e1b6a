// What a peer allows us (RFC 9113 6.5), as far as we need to know.

import * as f from './frames.ts';

export class PeerSettings {
  tableSize = 4096;
  initialWindow = 65535;
  /** Streams that we may open; nothing is said of it: as many as we like. */
  maxStreams = Number.POSITIVE_INFINITY;
  /** It is a server: it may not offer to take promises. */
  serves = false;

  /** Reads a frame's payload; else what is wrong with it. */
  read(payload: Buffer, start: number, end: number): number {
    if ((end - start) % 6 !== 0) return f.FRAME_SIZE_ERROR;
    for (let at = start; at < end; at += 6) {
      const wrong = this.take(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
      if (wrong !== f.NO_ERROR) return wrong;
    }
    return f.NO_ERROR;
  }

  private take(setting: number, value: number): number {
    switch (setting) {
      case f.HEADER_TABLE_SIZE:
        this.tableSize = value;
        return f.NO_ERROR;
      case f.ENABLE_PUSH:
        return value > (this.serves ? 0 : 1) ? f.PROTOCOL_ERROR : f.NO_ERROR;
      case f.MAX_CONCURRENT_STREAMS:
        this.maxStreams = value;
        return f.NO_ERROR;
      case f.INITIAL_WINDOW_SIZE:
        this.initialWindow = value;
        return value > f.LARGEST_WINDOW ? f.FLOW_CONTROL_ERROR : f.NO_ERROR;
      case f.MAX_FRAME_SIZE:
        // We never send larger ones than everybody takes.
        return value < f.LARGEST_FRAME || value > 0xffffff ? f.PROTOCOL_ERROR : f.NO_ERROR;
      default:
        return f.NO_ERROR;
    }
  }
}
