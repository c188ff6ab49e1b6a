// In a shard: one exchange in a filter that runs on another thread. It shows each event to the thread and
// holds the message until the verdict is there, so that the shard goes on with other exchanges meanwhile. What was shown is
// kept: a filter that is lost on the way takes nothing with it.
//
//   held:  | seen: the filter has it, and pauses | sent: it is looking at it | not shown yet |

import type { BodyBuffer } from '../exchange/body-buffer.ts';
import type { Direction, FilterStream, HttpFilter, Verdict } from '../exchange/filter.ts';
import type { Head } from '../http/head.ts';
import { lengthMayChange } from '../wasm/guest/stream.ts';
import { failStream } from '../wasm/guest/unavailable-filter.ts';
import type { IsolatedFilter } from './filter.ts';
import type { Link } from './link.ts';
import type { Changes, Properties, StreamEvent } from './messages.ts';
import { applyHead, factsOf, laterFacts, ownBytes, packedSize, packHead, packToken } from './packing.ts';

/** Bytes that may wait behind what the filter looks at before the peer is read no more. */
const READ_AHEAD = 128 << 10;

interface Side {
  /** What of the message the filter holds or looks at. */
  at: 'nothing' | 'head' | 'body' | 'trailers';
  /** The thread has an event of this side, and its verdict is on the way. */
  working: boolean;
  seen: number;
  sent: number;
  end: boolean;
  endSent: boolean;
}

function side(): Side {
  return { at: 'nothing', working: false, seen: 0, sent: 0, end: false, endSent: false };
}

let lastNumber = 0;

export class IsolatedStream implements HttpFilter {
  readonly number = ++lastNumber;
  private readonly filter: IsolatedFilter;
  private readonly link: Link;
  private readonly config: Uint8Array | null;
  /** Null when the exchange has ended. */
  private stream: FilterStream | null;
  private opened = false;
  /** The thread is gone, or took no more: the filter has no part in this exchange any more. */
  private lost = false;
  /** The filter answered, or was lost and the exchange was failed. */
  private refused = false;
  private readonly request = side();
  private readonly response = side();
  private requestSeen = false;
  private responseSeen = false;
  /** Mark of the request's head as the thread has it. */
  private known = '';

  constructor(filter: IsolatedFilter, link: Link, stream: FilterStream, config: Uint8Array | null) {
    this.filter = filter;
    this.link = link;
    this.stream = stream;
    this.config = config;
  }

  head(direction: Direction, head: Head, end: boolean): Verdict {
    this.saw(direction, end);
    if (this.lost) return this.without(direction);
    const opened = this.opened ? 0 : this.open(this.stream!.requestHead);
    if (!this.filter.sees[direction].head) {
      if (!end && this.filter.wants[direction].body) lengthMayChange(head);
      return 'continue';
    }
    return this.show('head', direction === 'request' ? this.requestEvent(opened, end) : this.responseEvent(head, end));
  }

  body(direction: Direction, body: BodyBuffer, end: boolean): Verdict {
    this.saw(direction, end);
    return this.bodyCame(direction, body, end);
  }

  trailers(direction: Direction, trailers: Head): Verdict {
    this.saw(direction, true);
    if (this.lost) return this.without(direction);
    return this.filter.sees[direction].trailers ? this.trailersCame(direction, trailers) : 'continue';
  }

  done(): void {
    const { stream } = this;
    if (stream === null) return;
    this.leave(stream);
    this.stream = null;
    this.filter.streamEnded();
  }

  /** The filter has looked at the event that was shown last in this direction. */
  verdict(direction: Direction, pause: boolean, changes: Changes | null): void {
    const side = this[direction];
    side.working = false;
    side.seen += side.sent;
    side.sent = 0;
    if (changes !== null && !this.apply(changes)) return;
    if (!pause) this.letGo(direction, changes);
    else if (side.at === 'body') this.showMore(direction);
    if (changes !== null) this.grant(changes);
  }

  /** The filter asks for something of its own accord. */
  asked(changes: Changes): void {
    if (this.apply(changes)) this.grant(changes);
  }

  /** The thread has ended, and with it the filter. */
  threadLost(): void {
    this.abandon(this.request.working || this.response.working);
  }

  private saw(direction: Direction, end: boolean): void {
    if (direction === 'request') this.requestSeen = end;
    else this.responseSeen = end;
  }

  // What is shown to the filter.

  /** The head went with the opening of the stream, which took `size` bytes. */
  private requestEvent(size: number, end: boolean): StreamEvent {
    const { number: stream } = this;
    return {
      type: 'head',
      stream,
      direction: 'request',
      size,
      head: null,
      request: null,
      end,
      facts: null,
      state: null,
    };
  }

  private responseEvent(head: Head, end: boolean): StreamEvent {
    const stream = this.stream!;
    const packed = packHead(head);
    return {
      type: 'head',
      stream: this.number,
      direction: 'response',
      size: packedSize(packed),
      head: packed,
      // Filters behind this one, or the route, may have changed it.
      request: markOf(stream.requestHead) === this.known ? null : packHead(stream.requestHead),
      end,
      facts: laterFacts(stream.record),
      state: propertiesOf(stream),
    };
  }

  private open(head: Head): number {
    const stream = this.stream!;
    this.opened = true;
    this.link.streams.set(this.number, this);
    this.known = markOf(head);
    const request = packHead(head);
    this.link.post({
      type: 'open',
      stream: this.number,
      plugin: this.filter.number,
      config: this.config === null ? null : ownBytes(this.config),
      facts: factsOf(stream.record),
      request,
      token: stream.token === null ? null : packToken(stream.token),
      state: propertiesOf(stream),
    });
    return packedSize(request);
  }

  private show(at: 'head' | 'body' | 'trailers', event: StreamEvent, memory: ArrayBuffer | null = null): Verdict {
    const side = this[event.direction];
    if (!this.link.admit(this.filter.name, event.size)) {
      this.leave(this.stream!);
      this.abandon(true);
      return this.without(event.direction);
    }
    side.at = at;
    side.working = true;
    this.link.post(event, memory);
    return 'pause';
  }

  private bodyCame(direction: Direction, body: BodyBuffer, end: boolean): Verdict {
    if (this.lost) return this.without(direction);
    const side = this[direction];
    side.end = end;
    if (!side.working) return this.showBody(direction, body);
    if (body.length - side.seen > READ_AHEAD) this.stream!.pauseReading(direction);
    return 'pause';
  }

  private showBody(direction: Direction, held: BodyBuffer): Verdict {
    const side = this[direction];
    const bytes = ownBytes(held.bytes().subarray(side.seen));
    side.sent = bytes.length;
    side.endSent = side.end;
    if (bytes.length > READ_AHEAD) this.stream!.pauseReading(direction);
    const { length: size } = bytes;
    const event = { type: 'body', stream: this.number, direction, size, bytes, end: side.end } as const;
    return this.show('body', event, bytes.buffer);
  }

  /** The filter holds what it has seen, and wants more. */
  private showMore(direction: Direction): void {
    const held = this.stream!.body(direction)!;
    if (this.waits(direction, held, this[direction].seen)) this.showBody(direction, held);
    else this.stream!.resumeReading(direction);
  }

  private trailersCame(direction: Direction, head: Head): Verdict {
    const trailers = packHead(head);
    return this.show('trailers', {
      type: 'trailers',
      stream: this.number,
      direction,
      size: packedSize(trailers),
      trailers,
      facts: laterFacts(this.stream!.record),
    });
  }

  /** Something of the body has not been shown, behind the `shown` bytes at its start. */
  private waits(direction: Direction, held: BodyBuffer, shown: number): boolean {
    const { end, endSent } = this[direction];
    return held.length > shown || (end && !endSent);
  }

  // What the filter did.

  /** False: the exchange is not to be continued. */
  private apply(changes: Changes): boolean {
    const { stream, request, response } = this;
    if (stream === null || this.lost) return false;
    // A message that has gone on is what it is.
    if (changes.requestHead !== null && request.at === 'head') {
      applyHead(stream.requestHead, changes.requestHead);
      this.known = markOf(stream.requestHead);
    }
    if (changes.responseHead !== null && response.at === 'head') applyHead(stream.responseHead!, changes.responseHead);
    if (changes.requestTrailers !== null && request.at === 'trailers') {
      applyHead(stream.requestTrailers!, changes.requestTrailers);
    }
    if (changes.responseTrailers !== null && response.at === 'trailers') {
      applyHead(stream.responseTrailers!, changes.responseTrailers);
    }
    for (const [name, value] of changes.state ?? []) stream.state.set(name, value);
    for (const flag of changes.flags) stream.addFlag(flag);
    if (changes.clearRouteCache) stream.clearRouteCache();
    if (changes.reply !== null) {
      this.refused = true;
      stream.localReply(changes.reply);
      return false;
    }
    if (changes.close) {
      stream.close('request');
      return false;
    }
    return true;
  }

  private grant(changes: Changes): void {
    for (const direction of changes.resume) this.letGo(direction, changes);
  }

  private letGo(direction: Direction, changes: Changes | null): void {
    const { stream } = this;
    const side = this[direction];
    if (stream === null || side.at === 'nothing') return;
    if (side.at === 'body') {
      const body = direction === 'request' ? changes?.requestBody : changes?.responseBody;
      this.letBodyGo(direction, stream, body ?? null);
    } else if (!side.working) this.goOn(direction, stream);
  }

  /** What the filter has seen of a body goes on, as it was or as the filter wants it. */
  private letBodyGo(direction: Direction, stream: FilterStream, instead: Uint8Array | null): void {
    const side = this[direction];
    const held = stream.body(direction);
    if (held === null) return;
    if (instead !== null) held.splice(0, side.seen, instead);
    const gone = instead?.length ?? side.seen;
    side.seen = 0;
    if (!side.working && !this.waits(direction, held, gone)) {
      this.goOn(direction, stream);
      return;
    }
    if (gone > 0) stream.pass(direction, held.shift(gone));
    if (this.stream === null || side.working || this.lost) return;
    this.showBody(direction, held);
  }

  private goOn(direction: Direction, stream: FilterStream): void {
    this[direction].at = 'nothing';
    this[direction].seen = 0;
    stream.resumeReading(direction);
    stream.resume(direction);
  }

  // Without the filter.

  /** The thread forgets this stream. */
  private leave(stream: FilterStream): void {
    if (!this.link.streams.delete(this.number)) return;
    this.link.post({ type: 'done', stream: this.number, facts: laterFacts(stream.record) });
  }

  /** The filter is lost. `running`: while it looked at something. What becomes of the exchange is the plugin's choice. */
  private abandon(running: boolean): void {
    this.lost = true;
    const { stream, request, response } = this;
    if (stream === null || this.refused) return;
    if (this.filter.spec.failStrategy === 'FAIL_OPEN') {
      if (request.at !== 'nothing') this.goOn('request', stream);
      if (this.stream !== null && response.at !== 'nothing') this.goOn('response', stream);
      return;
    }
    const { wants } = this.filter;
    const more =
      running ||
      request.at !== 'nothing' ||
      response.at !== 'nothing' ||
      ((wants.response.head || wants.response.body) && !this.responseSeen) ||
      (wants.request.body && !this.requestSeen);
    if (!more) return;
    this.refused = true;
    failStream(stream);
  }

  /** A refusal holds the request; on its way back it passes here like any answer. */
  private without(direction: Direction): Verdict {
    return this.refused && direction === 'request' ? 'pause' : 'continue';
  }
}

function propertiesOf({ state }: FilterStream): Properties | null {
  return state.size === 0 ? null : [...state].map(([name, value]) => [name, ownBytes(value)] as const);
}

/** Differs when a head has been changed. */
function markOf(head: Head): string {
  let removed = 0;
  for (let i = 0; i < head.spans.length; i += 4) if (head.spans[i] < 0) removed++;
  return `${removed} ${head.added.length} ${head.newPath} ${head.newAuthority} ${head.method}`;
}
