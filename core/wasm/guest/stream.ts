// One exchange in one plugin: the HttpFilter that the chain drives, and the stream context that the guest
// knows by its number. Callbacks in the ABI's order; a trap in any of them is the virtual machine's affair.

import { WAKE } from '../../../filters/sdk/layout.ts';
import type { BodyBuffer } from '../../exchange/body-buffer.ts';
import type {
  Direction,
  FilterConfiguration,
  FilterStream,
  HttpFilter,
  LocalReply,
  Verdict,
} from '../../exchange/filter.ts';
import type { Head } from '../../http/head.ts';
import { fieldCount } from '../../http/pseudo-headers.ts';
import { Timer, type TimerOwner } from '../../timers.ts';
import type { Ending } from '../abi/foreign.ts';
import type { HttpContext, Wish } from '../abi/guest.ts';
import type { Context } from './context.ts';
import type { Instance } from './instance.ts';
import type { ContextPlugin } from './opener.ts';
import { failStream } from './unavailable-filter.ts';

/** What callbacks return beside what holds a message. */
const CONTINUE = 0;
const CONTINUE_AND_END_STREAM = 2;
const STOP_ITERATION_NO_BUFFER = 3;
const NOTHING = new Uint8Array(0);

const RESUME_REQUEST = 1;
const RESUME_RESPONSE = 2;
const CLOSE_REQUEST = 4;
const CLOSE_RESPONSE = 8;
const BITS: Readonly<Record<Wish, number>> = {
  request: RESUME_REQUEST,
  response: RESUME_RESPONSE,
  'close request': CLOSE_REQUEST,
  'close response': CLOSE_RESPONSE,
};

/** A guest that is not done when a stream, a connection or its plugin ends is waited for no longer. */
export const DONE_DEADLINE_MS = 10_000;

export class WasmStream implements HttpFilter, Context, HttpContext, TimerOwner {
  readonly id: number;
  readonly plugin: ContextPlugin;
  /** Null once the exchange has ended. */
  stream: FilterStream | null;
  readonly config: FilterConfiguration | null;
  fuelSpent = 0;
  whenDone: Ending | null = null;
  private readonly instance: Instance;
  private wake: Timer | null = null;
  private created = false;
  private wishes = 0;
  private answer: LocalReply | null = null;
  private requestPaused = false;
  private responsePaused = false;
  /** The guest answered, or died and the exchange was failed. */
  private refused = false;
  private abandoned = false;
  private requestSeen = false;
  private responseSeen = false;
  private ending: 'no' | 'waiting' | 'over' = 'no';

  constructor(plugin: ContextPlugin, instance: Instance, stream: FilterStream, config: FilterConfiguration | null) {
    this.plugin = plugin;
    this.instance = instance;
    this.stream = stream;
    this.config = config;
    if (instance.sharesStreams) {
      this.id = plugin.contextId;
      this.created = true;
      return;
    }
    this.id = instance.newId();
    instance.contexts.set(this.id, this);
  }

  get http(): this {
    return this;
  }

  get connection(): null {
    return null;
  }

  head(direction: Direction, head: Head, end: boolean): Verdict {
    const request = direction === 'request';
    this.saw(request, end);
    const { instance } = this;
    if (instance.dead) return this.withoutGuest(direction);
    const { requestHeaders, responseHeaders } = instance.callbacks;
    const outer = instance.begin(this);
    let action = 0;
    try {
      if (!this.created) this.create();
      if (instance.frame !== null) instance.frame.offer(head, request, this, instance.host.node);
      // Two calls, so that each has one function to call, which the engine then inlines.
      if (request) {
        if (requestHeaders !== null) action = requestHeaders(this.id, fieldCount(head, 'request'), end ? 1 : 0) ?? 0;
      } else if (responseHeaders !== null) {
        action = responseHeaders(this.id, fieldCount(head, 'response'), end ? 1 : 0) ?? 0;
      }
    } catch (error) {
      return this.trapped(direction, 'headers', error);
    }
    if (action === CONTINUE_AND_END_STREAM) {
      if (!end) this.stream?.endStream(direction);
      action = CONTINUE;
    }
    const { wants } = this.plugin;
    if (!end && (request ? wants.request : wants.response).body) lengthMayChange(head);
    return this.settled(outer, direction, action);
  }

  body(direction: Direction, body: BodyBuffer, end: boolean): Verdict {
    const request = direction === 'request';
    this.saw(request, end);
    const { instance } = this;
    const callback = request ? instance.callbacks.requestBody : instance.callbacks.responseBody;
    if (instance.dead) return this.withoutGuest(direction);
    if (callback === null) return 'continue';
    const outer = instance.begin(this);
    let action = 0;
    try {
      if (!this.created) this.create();
      action = callback(this.id, body.length, end ? 1 : 0) ?? 0;
    } catch (error) {
      return this.trapped(direction, 'body', error);
    }
    // Unsigned: what is no action is this one, as in Envoy.
    if (action >>> 0 >= STOP_ITERATION_NO_BUFFER) body.splice(0, body.length, NOTHING);
    return this.settled(outer, direction, action);
  }

  trailers(direction: Direction, trailers: Head): Verdict {
    const request = direction === 'request';
    this.saw(request, true);
    const { instance } = this;
    const callback = request ? instance.callbacks.requestTrailers : instance.callbacks.responseTrailers;
    if (instance.dead) return this.withoutGuest(direction);
    if (callback === null) return 'continue';
    const outer = instance.begin(this);
    let action = 0;
    try {
      if (!this.created) this.create();
      action = callback(this.id, fieldCount(trailers, 'trailers')) ?? 0;
    } catch (error) {
      return this.trapped(direction, 'trailers', error);
    }
    return this.settled(outer, direction, action);
  }

  /** done, log, delete. A guest that is not done yet keeps its context, without the exchange, until it says so. */
  done(): void {
    this.cancelWake();
    this.whenDone?.end();
    const { instance } = this;
    if (!this.created || instance.sharesStreams || instance.dead) {
      this.release();
      return;
    }
    const { callbacks } = instance;
    const outer = instance.begin(this);
    try {
      const over = callbacks.done === null || callbacks.done(this.id) !== 0;
      callbacks.log?.(this.id);
      this.stream = null;
      if (over || this.ending === 'over') {
        callbacks.delete?.(this.id);
        this.release();
      } else {
        this.ending = 'waiting';
        setTimeout(() => this.finished(), DONE_DEADLINE_MS).unref();
      }
    } catch (error) {
      this.stream = null;
      this.plugin.vm.trapped(instance, this.plugin, 'the end of a stream', error);
      this.release();
      return;
    }
    instance.end(outer);
  }

  /** The guest is done with this stream (proxy_done, or its time is over). False: nothing waited for that. */
  finished(): boolean {
    if (this.ending !== 'waiting') return false;
    this.ending = 'over';
    const { instance } = this;
    // After the callback in progress: the guest may still speak of this context.
    setImmediate(() => {
      if (!instance.dead) this.plugin.vm.call(instance, this, 'proxy_on_delete', instance.callbacks.delete, this.id);
      this.release();
    });
    return true;
  }

  /** Remembers what the guest asks for until its callback has returned. */
  ask(wish: Wish): void {
    if (this.wishes === 0 && this.answer === null) this.instance.waiting.push(this);
    this.wishes |= BITS[wish];
  }

  reply(answer: LocalReply): void {
    if (this.wishes === 0 && this.answer === null) this.instance.waiting.push(this);
    this.answer ??= answer;
  }

  /** Calls the guest back after some milliseconds; a second call moves the first. False: not possible here. */
  wakeAfter(ms: number): boolean {
    if (this.instance.callbacks.foreignFunction === null) return false;
    this.wake ??= new Timer(this);
    this.instance.host.timers().arm(this.wake, ms);
    return true;
  }

  expired(): void {
    const { instance } = this;
    if (instance.dead || this.stream === null) return;
    this.plugin.vm.call(
      instance,
      this,
      'proxy_on_foreign_function',
      instance.callbacks.foreignFunction,
      this.id,
      WAKE,
      0,
    );
  }

  /** What the guest asked for in the callback that has just returned. */
  settle(): void {
    const { stream, wishes, answer } = this;
    this.wishes = 0;
    this.answer = null;
    if (stream === null) return;
    if (answer !== null) {
      this.refused = true;
      stream.localReply(answer);
      return;
    }
    if ((wishes & CLOSE_REQUEST) !== 0) stream.close('request');
    else if ((wishes & CLOSE_RESPONSE) !== 0) stream.close('response');
    else {
      if ((wishes & RESUME_REQUEST) !== 0) {
        this.requestPaused = false;
        stream.resume('request');
      }
      if ((wishes & RESUME_RESPONSE) !== 0) {
        this.responsePaused = false;
        stream.resume('response');
      }
    }
  }

  /** The guest has died. `running`: in a callback of this very stream. What becomes of the exchange is the plugin's choice. */
  abandon(running: boolean): void {
    if (this.abandoned) return;
    this.abandoned = true;
    this.cancelWake();
    const { stream } = this;
    this.wishes = 0;
    this.answer = null;
    if (stream === null || this.refused) return;
    if (this.plugin.spec.failStrategy === 'FAIL_OPEN') {
      if (this.requestPaused) stream.resume('request');
      if (this.responsePaused) stream.resume('response');
      return;
    }
    // A stream that the guest has nothing more to say about may go on: it was checked while the guest lived.
    const { wants } = this.plugin;
    const more =
      running ||
      this.requestPaused ||
      this.responsePaused ||
      ((wants.response.head || wants.response.body) && !this.responseSeen) ||
      (wants.request.body && !this.requestSeen);
    if (!more) return;
    this.refused = true;
    failStream(stream);
  }

  private create(): void {
    this.created = true;
    this.instance.callbacks.contextCreate?.(this.id, this.plugin.contextId);
  }

  private settled(outer: Context | null, direction: Direction, action: number): Verdict {
    const answered = this.answer !== null;
    // Set before wishes are granted: "pause, and by the way continue" continues.
    const paused = action !== 0;
    if (paused && this.instance.sharesStreams) this.instance.held.add(this);
    if (direction === 'request') this.requestPaused = paused;
    else this.responsePaused = paused;
    this.instance.end(outer);
    return paused || answered ? 'pause' : 'continue';
  }

  /** How much of the message the guest has been shown. */
  private saw(request: boolean, end: boolean): void {
    if (request) this.requestSeen = end;
    else this.responseSeen = end;
  }

  private trapped(direction: Direction, part: 'headers' | 'body' | 'trailers', error: unknown): Verdict {
    this.plugin.vm.trapped(this.instance, this.plugin, `proxy_on_${direction}_${part}`, error, this);
    return this.withoutGuest(direction);
  }

  /** The guest is dead. A refusal holds the request; on its way back it passes here like any answer. */
  private withoutGuest(direction: Direction): Verdict {
    if (!this.abandoned) this.abandon(true);
    return this.refused && direction === 'request' ? 'pause' : 'continue';
  }

  private cancelWake(): void {
    if (this.wake !== null) this.instance.host.timers().cancel(this.wake);
  }

  private release(): void {
    this.stream = null;
    this.ending = 'over';
    const { instance } = this;
    if (!instance.dead) instance.served = true;
    if (!instance.sharesStreams) instance.contexts.delete(this.id);
    else if (instance.held.size > 0) instance.held.delete(this);
    this.plugin.streamEnded();
  }
}

/** The head is on its way before the filter has seen the body, so a length that was announced cannot be kept to. */
export function lengthMayChange(head: Head): void {
  if (head.contentLength > 0) head.contentLength = -1;
}
