// In a shard: one exchange in a filter that runs on another thread. It shows each event to the thread and
// holds the message until the verdict is there, so that the shard goes on with other exchanges meanwhile. What was shown is
// kept: a filter that is lost on the way takes nothing with it.
//
//   held:  | seen: the filter has it, and pauses | sent: it is looking at it | not shown yet |

import type { BodyBuffer } from '../exchange/body-buffer.ts';
import type { Direction, FilterStream, HttpFilter, Verdict, Wants } from '../exchange/filter.ts';
import type { Head } from '../http/head.ts';
import type { PluginSpec } from '../wasm/guest/spec.ts';
import { lengthMayChange } from '../wasm/guest/stream.ts';
import { failStream } from '../wasm/guest/unavailable-filter.ts';
import type { Link, LinkedStream } from './link.ts';
import type { BodyEvent, Changes, HeadEvent, MessageChanges, Opening, Properties, TrailersEvent } from './messages.ts';
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
  /** All of it has come. */
  end: boolean;
  endSent: boolean;
  /** They have come, and wait until all of the body has been shown. */
  trailers: Head | null;
}

function side(): Side {
  return { at: 'nothing', working: false, seen: 0, sent: 0, end: false, endSent: false, trailers: null };
}

let lastNumber = 0;

/** Events that a module has a callback for; what it has none for needs no thread. */
export type Sees = Readonly<Record<Direction, { readonly head: boolean; readonly trailers: boolean }>> & {
  readonly end: boolean;
};

/** The filter that a stream is of, as its streams know it. */
export interface StreamsFilter {
  readonly name: string;
  readonly number: number;
  readonly spec: Pick<PluginSpec, 'failStrategy'>;
  readonly wants: Wants;
  readonly sees: Sees;
  streamEnded(): void;
}

export class IsolatedStream implements HttpFilter, LinkedStream {
  readonly number = ++lastNumber;
  private readonly filter: StreamsFilter;
  private readonly link: Link;
  private readonly config: Uint8Array | null;
  /** Null when the exchange has ended. */
  private stream: FilterStream | null;
  /** The thread is gone, or took no more: the filter has no part in this exchange any more. */
  private lost = false;
  /** The filter answered, or was lost and the exchange was failed. */
  private refused = false;
  private readonly request = side();
  private readonly response = side();
  /** Mark of the request's head as the thread has it; null: it knows nothing of this exchange yet. */
  private known: string | null = null;

  constructor(filter: StreamsFilter, link: Link, stream: FilterStream, config: Uint8Array | null) {
    this.filter = filter;
    this.link = link;
    this.stream = stream;
    this.config = config;
  }

  head(direction: Direction, head: Head, end: boolean): Verdict {
    this[direction].end = end;
    if (this.lost) return this.without(direction);
    const { sees, wants } = this.filter;
    if (!sees[direction].head) {
      if (!end && wants[direction].body) lengthMayChange(head);
      return 'continue';
    }
    const { requestHead, record } = this.stream!;
    if (direction === 'request') return this.show(direction, 64, { type: 'head', end, response: null });
    const response = {
      head: packHead(head),
      // Filters behind this one, or the route, may have changed it.
      request: this.known === null || this.known === markOf(requestHead) ? null : packHead(requestHead),
      facts: laterFacts(record),
      state: propertiesOf(this.stream!),
    };
    return this.show(direction, packedSize(response.head), { type: 'head', end, response });
  }

  body(direction: Direction, body: BodyBuffer, end: boolean): Verdict {
    const side = this[direction];
    side.end = end;
    if (this.lost) return this.without(direction);
    if (!side.working) return this.showBody(direction, body);
    if (body.length - side.seen > READ_AHEAD) this.stream!.pauseReading(direction);
    return 'pause';
  }

  trailers(direction: Direction, head: Head): Verdict {
    const side = this[direction];
    if (this.lost) return this.without(direction);
    if (side.working) {
      side.trailers = head;
      return 'pause';
    }
    side.end = true;
    if (this.filter.sees[direction].trailers) return this.showTrailers(direction, head);
    side.at = 'nothing';
    side.seen = 0;
    return 'continue';
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
    if (!pause) this.letGo(direction, changes?.[direction]);
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

  // What is shown to the filter.

  private showBody(direction: Direction, held: BodyBuffer): Verdict {
    const side = this[direction];
    const { end } = side;
    const bytes = held.copy(side.seen);
    side.sent = bytes.length;
    side.endSent = end;
    if (bytes.length > READ_AHEAD) this.stream!.pauseReading(direction);
    return this.show(direction, bytes.length, { type: 'body', bytes, end });
  }

  private showTrailers(direction: Direction, head: Head): Verdict {
    const trailers = packHead(head);
    const facts = laterFacts(this.stream!.record);
    return this.show(direction, packedSize(trailers), { type: 'trailers', trailers, facts });
  }

  private show(direction: Direction, bytes: number, event: HeadEvent | BodyEvent | TrailersEvent): Verdict {
    const opening = this.known === null ? this.opening() : null;
    const size = opening === null ? bytes : bytes + packedSize(opening.request);
    if (!this.link.admit(this.filter.name, size)) {
      this.leave(this.stream!);
      this.abandon(true);
      return this.without(direction);
    }
    if (opening !== null) {
      this.known = markOf(this.stream!.requestHead);
      this.link.streams.set(this.number, this);
    }
    const side = this[direction];
    side.at = event.type;
    side.working = true;
    this.link.post({ ...event, stream: this.number, direction, size, opening });
    return 'pause';
  }

  private opening(): Opening {
    const { record, requestHead, token } = this.stream!;
    return {
      plugin: this.filter.number,
      config: this.config === null ? null : ownBytes(this.config),
      facts: factsOf(record),
      request: packHead(requestHead),
      token: token === null ? null : packToken(token),
      state: propertiesOf(this.stream!),
    };
  }

  /** The filter holds what it has seen, and wants more. */
  private showMore(direction: Direction): void {
    const held = this.stream!.body(direction)!;
    if (this.waits(direction, held, this[direction].seen)) this.showBody(direction, held);
    else if (this[direction].trailers !== null) this.trailersAfterBody(direction);
    else this.stream!.resumeReading(direction);
  }

  /** All of the body has been shown: what follows it is shown in its turn, and lets it go where the filter takes no look. */
  private trailersAfterBody(direction: Direction): void {
    const side = this[direction];
    const { trailers } = side;
    side.trailers = null;
    side.end = true;
    if (this.filter.sees[direction].trailers) this.showTrailers(direction, trailers!);
    else this.goOn(direction, this.stream!);
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
    this.change(request.at, stream.requestHead, stream.requestTrailers, changes.request);
    if (changes.request?.ends === true) stream.endStream('request');
    if (changes.response?.ends === true) stream.endStream('response');
    this.change(response.at, stream.responseHead, stream.responseTrailers, changes.response);
    if (changes.request?.head !== undefined && request.at === 'head') this.known = markOf(stream.requestHead);
    for (const [name, value] of changes.state ?? []) stream.state.set(name, value);
    for (const flag of changes.flags ?? []) stream.addFlag(flag);
    if (changes.clearRouteCache === true) stream.clearRouteCache();
    if (changes.reply !== undefined) {
      this.refused = true;
      stream.localReply(changes.reply);
      return false;
    }
    if (changes.close === true) {
      stream.close('request');
      return false;
    }
    return true;
  }

  /** A message that has gone on is what it is. */
  private change(at: Side['at'], head: Head | null, trailers: Head | null, changes: MessageChanges | undefined): void {
    if (changes === undefined) return;
    if (changes.head !== undefined && at === 'head') applyHead(head!, changes.head);
    if (changes.trailers !== undefined && at === 'trailers') applyHead(trailers!, changes.trailers);
  }

  private grant({ request, response }: Changes): void {
    if (request?.resume === true) this.letGo('request', request);
    if (response?.resume === true) this.letGo('response', response);
  }

  private letGo(direction: Direction, changes: MessageChanges | undefined): void {
    const { stream } = this;
    const side = this[direction];
    if (stream === null || side.at === 'nothing') return;
    if (side.at === 'body') this.letBodyGo(direction, stream, changes?.body);
    else if (!side.working) {
      if (side.at === 'trailers' && changes?.body !== undefined) {
        stream.body(direction)?.splice(0, side.seen, changes.body);
      }
      this.goOn(direction, stream);
    }
  }

  /** What the filter has seen of a body goes on, as it was or as the filter wants it. */
  private letBodyGo(direction: Direction, stream: FilterStream, instead: Uint8Array | undefined): void {
    const side = this[direction];
    const held = stream.body(direction);
    if (held === null) return;
    if (instead !== undefined) held.splice(0, side.seen, instead);
    const gone = instead?.length ?? side.seen;
    side.seen = 0;
    const waits = this.waits(direction, held, gone);
    if (!side.working && !waits && side.trailers === null) {
      this.goOn(direction, stream);
      return;
    }
    if (gone > 0) stream.pass(direction, held.shift(gone));
    if (this.stream === null || side.working || this.lost) return;
    if (waits) this.showBody(direction, held);
    else this.trailersAfterBody(direction);
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
    this.link.post({
      type: 'done',
      stream: this.number,
      facts: this.filter.sees.end ? laterFacts(stream.record) : null,
    });
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
      ((wants.response.head || wants.response.body) && !response.end) ||
      (wants.request.body && !request.end);
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
