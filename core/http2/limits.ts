// What a connection of HTTP/2 allows its peer beside what every codec allows: windows, streams, and how much of what costs us more
// than them they may send. What goes beyond closes the connection with ENHANCE_YOUR_CALM, or refuses the stream, and is counted.

/** Requests of a client that are open at a time, and those that a server is counted on for before it says. */
export const MAX_STREAMS = 100;
/**
 * Of connections that carry HTTP/1.1. Few, since each connection is one shard's of its server, which has several; and so many slow
 * readers together hold less than a connection may (MOST_HELD), and do not keep others waiting.
 */
export const MAX_SHARED = 8;
/** Bytes of a body that come before its reader has taken the first. */
export const STREAM_WINDOW = 128 << 10;
/** Of all bodies of a connection, on their way. */
export const CONNECTION_WINDOW = 1 << 20;
/** Bytes that wait for readers of a connection's streams: above it, the peer waits with all of them. */
export const MOST_HELD = 4 << 20;
/** Of a header block, beside its first: more, or so many, are no head but a flood. */
export const MOST_CONTINUATIONS = 64;
/** Bytes of our own that a peer has not taken, while it asks for more. */
export const MOST_BACKLOG = 1 << 20;
/** Interim answers (1xx) before the real one. */
export const MAX_INTERIM = 64;
/** Bytes of a request's body that are read and thrown away after an early answer. */
export const MAX_DISCARD = 64 << 10;
/** Streams that were closed, remembered to tell a late frame from a wrong one. */
export const REMEMBERED = 128;

/** Streams that are given up before they are answered, or that the peer makes us give up. Those that end well make up for them. */
const RESETS = { burst: 1000, perSecond: 100 };
/** Frames that carry nothing of a message: SETTINGS, PING, PRIORITY, small WINDOW_UPDATE, empty DATA, unknown ones. Heads and bodies make up for them. */
const CONTROL = { burst: 1000, perSecond: 200 };

/** Since the shard began. */
export const http2Counts = {
  resetFloods: 0,
  controlFloods: 0,
  headerFloods: 0,
  outboundFloods: 0,
  streamsRefused: 0,
  stalled: 0,
  protocolErrors: 0,
  streamErrors: 0,
  malformedMessages: 0,
};

/** So many at once, and so many more a second. The clock is read only when there are none left. */
export class Allowance {
  private readonly burst: number;
  private readonly perSecond: number;
  private left: number;
  private since = performance.now();

  constructor({ burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
    this.burst = burst;
    this.perSecond = perSecond;
    this.left = burst;
  }

  /** False: it was one too many. */
  take(): boolean {
    if (--this.left >= 0) return true;
    const now = performance.now();
    this.left = Math.min(this.burst, Math.floor(((now - this.since) * this.perSecond) / 1000)) - 1;
    this.since = now;
    return this.left >= 0;
  }

  give(): void {
    if (this.left < this.burst) this.left++;
  }
}

export function resetAllowance(): Allowance {
  return new Allowance(RESETS);
}

export function controlAllowance(): Allowance {
  return new Allowance(CONTROL);
}
